//! Families of the fleet.

use crate::export::family::section;

section! { FLEET, "The fleet",
    "With `[fleet]` only. Sums are of the addresses that nodes report, the 16 most attacked ones; the same ones come from every node that \
     is not cut off, so take `max`, not `sum`.":
    LINK_UP = Gauge "levee_fleet_link_up" "1 or 0" []
        "1 while this node sees what the others decide; 0 while it is cut off from etcd and goes on by itself",
        "Which nodes are cut off?"
        => "levee_fleet_link_up == 0";
    NODES = Gauge "levee_fleet_nodes" "nodes" []
        "Nodes of the fleet, as this one knows",
        "Do all nodes see the same fleet?"
        => "max(levee_fleet_nodes) != min(levee_fleet_nodes)";
    DECISIONS = Gauge "levee_fleet_decisions" "decisions" ["kind", "by"]
        "What holds for all nodes, by what it is about and by whom: a human or a machine",
        "How much was decided for all nodes?"
        => "max by (kind, by) (levee_fleet_decisions)";
    QUEUED = Gauge "levee_fleet_queued" "decisions" []
        "Decisions of this node that the others do not know yet",
        "Does something wait for the way to etcd?"
        => "levee_fleet_queued > 0";
    GARBAGE = Gauge "levee_fleet_garbage" "keys" []
        "What etcd holds under the prefix that makes no sense and is ignored: `agent fleet status` names it",
        "Does somebody write nonsense?"
        => "levee_fleet_garbage > 0";
    PROBLEMS = Gauge "levee_fleet_problems" "problems" []
        "What is not as it should be besides, also decisions that are not done here: `agent fleet status` says what",
        "Is something decided that is not done?"
        => "levee_fleet_problems > 0";
    UNPROVEN = Gauge "levee_fleet_unproven_syns_per_second" "SYN/s" ["address"]
        "SYNs that nobody completes, at all nodes together",
        "Which address is attacked, over all nodes?"
        => "topk(5, max by (address) (levee_fleet_unproven_syns_per_second))";
}
