//! Families of the network above.

use crate::export::family::section;

section! { UPSTREAM, "The network above",
    "With `[upstream]` only. An address on the rung `upstream` is one series of `levee_upstream_route`, whose `state` is `asked`, `announced` \
     or `refused`.":
    ROUTE = Gauge "levee_upstream_route" "1" ["address", "state"]
        "1 for each address that the network above is to drop, by how far that got",
        "What is to be dropped above, and is not?"
        => "levee_upstream_route{state!=\"announced\"} == 1";
    SESSION = Gauge "levee_upstream_session" "1" ["session"]
        "1 for each BGP session of BIRD's that is up",
        "Could the network above be asked right now?"
        => "absent(levee_upstream_session)";
    ANNOUNCEMENTS = Gauge "levee_upstream_announcements_last_hour" "routes" []
        "Routes that were announced within the last hour: the budget is upstream.per_hour",
        "Is the budget about to be spent?"
        => "levee_upstream_announcements_last_hour > 8";
    PROBLEM = Gauge "levee_upstream_problem" "1 or 0" []
        "1 while something keeps the routes from being what they should be: `agent upstream` says what",
        "Does BIRD take what the agent writes?"
        => "levee_upstream_problem == 1";
}
