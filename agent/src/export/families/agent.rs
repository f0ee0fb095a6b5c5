//! Families of the agent's own health.

use crate::export::family::section;

section! { AGENT, "Agent",
    "Protection goes on without the agent; what it alone does (detection, the ladder above verify, lists, notifications) does not.":
    BUILD = Gauge "levee_build_info" "1" ["version"]
        "1, with the version of the agent",
        "Which versions run?"
        => "count by (version) (levee_build_info)";
    START = Gauge "levee_start_timestamp_seconds" "seconds" []
        "When the agent started, in seconds since 1970",
        "Does it restart again and again?"
        => "changes(levee_start_timestamp_seconds[1h]) > 2";
    COUNTERS_READ = Gauge "levee_counters_read_timestamp_seconds" "seconds" []
        "When the counters were last read, in seconds since 1970",
        "Are these figures old?"
        => "time() - levee_counters_read_timestamp_seconds > 10";
    SNAPSHOT = Gauge "levee_snapshot_timestamp_seconds" "seconds" []
        "When the picture that these metrics are made of was made, in seconds since 1970",
        "Does the engine still turn?"
        => "time() - levee_snapshot_timestamp_seconds > 10";
    RELOADED = Gauge "levee_config_last_reload_successful" "1 or 0" []
        "0 when the last reload was refused and the configuration before it still holds",
        "Which hosts do not run what their file says?"
        => "levee_config_last_reload_successful == 0";
    RELOAD_TIME = Gauge "levee_config_last_reload_success_timestamp_seconds" "seconds" []
        "When the configuration that holds was loaded, in seconds since 1970",
        "Did the change of this morning arrive everywhere?"
        => "time() - levee_config_last_reload_success_timestamp_seconds > 3600";
    WARNINGS = Gauge "levee_warnings" "sentences" []
        "Sentences under warnings in agent status",
        "Which hosts have something to say?"
        => "levee_warnings > 0";
    LEDGER = Gauge "levee_ledger_healthy" "1 or 0" []
        "0 while something is wrong with the ledger",
        "Would a block survive a reboot?"
        => "levee_ledger_healthy == 0";
    LEDGER_LOST = Counter "levee_ledger_lost_records" "records" []
        "Records of the history (attacks, events, rates) that were lost because the disk took none",
        "Is the record of this attack complete?"
        => "increase(levee_ledger_lost_records_total[1h]) > 0";
    LISTENERS = Gauge "levee_listeners" "listeners" []
        "Listeners of protected addresses that the program knows",
        "Does this host serve what it protects?"
        => "levee_listeners == 0";
}
