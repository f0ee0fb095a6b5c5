//! Families of who is notified.

use crate::export::family::section;

section! { NOTIFY, "Notifications",
    "One series for each `[[notify]]`, see [notify.md](notify.md).":
    SENT = Counter "levee_notify_sent" "messages" ["endpoint"]
        "Messages that an endpoint took",
        "Was anybody told?"
        => "increase(levee_notify_sent_total[1h])";
    FAILED = Counter "levee_notify_failed" "messages" ["endpoint"]
        "Messages that were given up after all attempts",
        "Who missed something?"
        => "increase(levee_notify_failed_total[1d]) > 0";
    FAILED_ATTEMPTS = Counter "levee_notify_failed_attempts" "attempts" ["endpoint"]
        "Attempts to deliver a message that failed",
        "Is an endpoint shaky?"
        => "increase(levee_notify_failed_attempts_total[1h]) > 0";
    DROPPED = Counter "levee_notify_dropped" "messages" ["endpoint"]
        "Messages that were dropped because newer ones needed the room",
        "Was a queue too short?"
        => "increase(levee_notify_dropped_total[1d]) > 0";
    REPEATED = Counter "levee_notify_repeated" "messages" ["endpoint"]
        "Messages that were not sent because they said what was said last",
        "How much noise was spared?"
        => "increase(levee_notify_repeated_total[1d])";
    QUEUED = Gauge "levee_notify_queued" "messages" ["endpoint"]
        "Messages that wait or are on their way",
        "Is somebody not being told right now?"
        => "min_over_time(levee_notify_queued[5m]) > 0";
    NOTIFY_HEALTHY = Gauge "levee_notify_healthy" "1 or 0" ["endpoint"]
        "0 while the latest attempt has failed",
        "Which endpoint does not work?"
        => "levee_notify_healthy == 0";
    LAST_SUCCESS = Gauge "levee_notify_last_success_timestamp_seconds" "seconds" ["endpoint"]
        "When an endpoint took something last, in seconds since 1970; absent before",
        "When was it last known to work?"
        => "time() - levee_notify_last_success_timestamp_seconds";
    MISSED = Counter "levee_notify_missed_events" "events" []
        "Events that came faster than they could be told: nobody was notified of them",
        "Was an event lost on its way to everybody?"
        => "increase(levee_notify_missed_events_total[1d]) > 0";
}
