//! Rates as CSV, one row for each point.

use super::Report;

/// Writes all rates of a report.
pub(super) fn write(report: &Report) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "from",
        "seconds",
        "syn_pps",
        "handshakes_pps",
        "tcp_pps",
        "udp_pps",
        "icmp_pps",
        "other_pps",
        "fragments_pps",
        "amplified_pps",
        "malformed_pps",
        "blocked_pps",
        "blackholed_pps",
        "passed_pps",
        "dropped_pps",
        "answered_pps",
        "unanswered_pps",
        "over_vectors_pps",
        "syn_threshold_pps",
        "rung",
    ])?;
    for point in &report.rates {
        let rates = &point.rates;
        let numbers = [
            point.seconds,
            rates.syn,
            rates.handshakes,
            rates.tcp,
            rates.udp,
            rates.icmp,
            rates.other,
            rates.fragments,
            rates.amplified,
            rates.malformed,
            rates.blocked,
            rates.blackholed,
            rates.passed,
            rates.dropped,
            rates.replied,
            rates.unanswered,
            rates.over_vectors,
        ];
        let mut row = vec![point.from.to_string()];
        row.extend(numbers.iter().map(|number| format!("{number:.3}")));
        row.push(point.syn_threshold.map(|rate| rate.to_string()).unwrap_or_default());
        row.push(point.rung.map(|rung| rung.to_string()).unwrap_or_default());
        writer.write_record(&row)?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}
