//! Names of the maps, as they are declared in the program and pinned in the BPF file system.

/// Version of everything that is pinned: any change of a map's type, key, value or meaning raises it.
pub const PIN_VERSION: u32 = 3;

/// Array of one [`crate::Settings`].
pub const SETTINGS: &str = "SETTINGS";
/// Array of [`crate::address_index::AddressBucket`]: protected address → element of POLICIES.
pub const ADDRESSES: &str = "ADDRESSES";
/// Array, two elements for each slot: [`crate::AddressPolicy`].
pub const POLICIES: &str = "POLICIES";
/// Per-CPU array by slot: [`crate::AddressCpu`].
pub const ADDRESS_CPU: &str = "ADDRESS_CPU";
/// Array by slot: [`crate::counter::AddressCarry`].
pub const ADDRESS_CARRY: &str = "ADDRESS_CARRY";
/// Array by slot: [`crate::layout::RateBucket`].
pub const ADDRESS_RATE: &str = "ADDRESS_RATE";
/// Array by number: [`crate::group::GroupEntry`].
pub const GROUPS: &str = "GROUPS";
/// Array, one element for each vector of each element of POLICIES: [`crate::vector::VectorLimit`].
pub const VECTOR_LIMITS: &str = "VECTOR_LIMITS";
/// Array, one element for each vector of each slot: [`crate::vector::VectorBucket`].
pub const VECTOR_RATE: &str = "VECTOR_RATE";
/// Per-CPU array like VECTOR_RATE: [`crate::vector::VectorLocal`].
pub const VECTOR_CPU: &str = "VECTOR_CPU";
/// Array of words: the bits of [`crate::list_filter`].
pub const LIST_FILTER: &str = "LIST_FILTER";
/// LPM trie: source prefix → [`crate::ListEntry`].
pub const SOURCE_LIST: &str = "SOURCE_LIST";
/// Array of one map, an array of words: the table of [`crate::list_table`]. Empty while there are no lists.
pub const LISTS: &str = "LISTS";
/// Array of [`crate::list_table::ListRecord`], by the list's number.
pub const LIST_RECORDS: &str = "LIST_RECORDS";
/// Per-CPU array of words, by the list's number: packets that it decided about.
pub const LIST_PACKETS: &str = "LIST_PACKETS";
/// Array of [`crate::sketch::Block`].
pub const SKETCH: &str = "SKETCH";
/// LRU hash: heavy source → [`crate::SourceRecord`].
pub const SOURCES: &str = "SOURCES";
/// Per-CPU array: [`crate::SourceLocal`].
pub const SOURCE_LOCAL: &str = "SOURCE_LOCAL";
/// Per-CPU array of one [`crate::CpuState`].
pub const CPU: &str = "CPU";
/// Per-CPU array of [`crate::connection::Page`].
pub const CONNECTIONS: &str = "CONNECTIONS";
/// Ring buffer of [`crate::Sample`].
pub const SAMPLES: &str = "SAMPLES";

/// Array of [`crate::known::KnownBucket`].
pub const KNOWN: &str = "KNOWN";
/// Array of [`crate::known::MaybeKnown`].
pub const MAYBE_KNOWN: &str = "MAYBE_KNOWN";
/// Array of [`crate::retry::RetryLine`].
pub const RETRY: &str = "RETRY";
/// Hash: [`crate::listener::ListenerKey`] → [`crate::listener::ListenerFacts`].
pub const LISTENERS: &str = "LISTENERS";
/// Per-CPU array of [`crate::listener::ListenerLocal`].
pub const LISTENER_LOCAL: &str = "LISTENER_LOCAL";

/// Per-CPU array of [`crate::tally::Set`]: those of sources, then those of prefixes.
pub const TALLY: &str = "TALLY";
/// Per-CPU array of one [`crate::distinct::Distinct`].
pub const DISTINCT: &str = "DISTINCT";

/// Every pinned map.
pub const ALL: &[&str] = &[
    SETTINGS,
    ADDRESSES,
    POLICIES,
    ADDRESS_CPU,
    ADDRESS_CARRY,
    ADDRESS_RATE,
    GROUPS,
    VECTOR_LIMITS,
    VECTOR_RATE,
    VECTOR_CPU,
    LIST_FILTER,
    SOURCE_LIST,
    LISTS,
    LIST_RECORDS,
    LIST_PACKETS,
    SKETCH,
    SOURCES,
    SOURCE_LOCAL,
    CPU,
    SAMPLES,
    KNOWN,
    MAYBE_KNOWN,
    RETRY,
    LISTENERS,
    LISTENER_LOCAL,
    CONNECTIONS,
    TALLY,
    DISTINCT,
];
