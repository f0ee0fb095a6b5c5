//! `agent capture`.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Write},
    net::IpAddr,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::{context::Context, print};
use crate::{
    capture::{Ended, Pcapng, Which},
    config::{prefix, units::Span},
    control::api::{CaptureLine, CaptureRequest, PacketView},
    decide::{Refusal, say},
};

/// Show what a protected address is sent, packet by packet, or write it for Wireshark
///
/// Dropped packets are samples (samples.per_second of the configuration, on the whole host); what passed is seen behind the
/// XDP program, a thousand packets a second and interface at most. Headers only, unless --payload is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  agent capture 203.0.113.7                               up to 100 packets, 10 seconds at most
  agent capture 203.0.113.7 --count 1000 --time 1m --out attack.pcapng
  agent capture 203.0.113.7 --dropped --out - | tshark -r -
  agent capture 203.0.113.7 --json | jq -r .packet.header_hex

In the file, each packet's comment says what became of it and why. Answers that the XDP program sends by itself (SYN
cookies) pass no further, so neither they nor the SYNs that they answer are seen. An outer VLAN tag is not in what
passed. Captures of attacks are made by themselves, see [captures] in `agent config example`.")]
pub(super) struct Args {
    /// A protected address
    #[arg(value_name = "ADDR")]
    address: String,
    /// Packets at most, 1 to 100000
    #[arg(long, value_name = "N", default_value_t = 100)]
    count: u32,
    /// Time at most: 1s to 10m
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    time: Span,
    /// Write pcapng to a new file, or to standard output with "-"
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Dropped packets only
    #[arg(long, conflicts_with = "passed")]
    dropped: bool,
    /// Only packets that passed
    #[arg(long)]
    passed: bool,
    /// With the first bytes behind the headers, as far as 128 bytes of a frame go
    #[arg(long)]
    payload: bool,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let address = prefix::parse_address(&args.address).map_err(Refusal::from)?;
    let agent = context.agent().await?;
    let request = CaptureRequest {
        address,
        count: args.count,
        time: args.time,
        which: Which::of(args.dropped, args.passed),
        payload: args.payload,
    };
    // The agent refuses before a file is made.
    let mut lines = agent.lines(reqwest::Method::POST, "/v1/capture", &request).await?;
    let mut output = Output::open(args.out.as_deref(), address, context.json)?;
    while let Some(line) = lines.next::<CaptureLine>().await? {
        output.take(&line)?;
        if let CaptureLine::End(ended) = line {
            return output.end(&ended, args.out.as_deref(), context.json);
        }
    }
    anyhow::bail!("the agent stopped before the capture ended; what came until then is written")
}

/// Where packets go.
enum Output {
    /// One line each, for people.
    Lines,
    /// One JSON object each.
    Json,
    /// A file or a pipe.
    Pcapng(Pcapng<Box<dyn Write>>),
}

impl Output {
    fn open(out: Option<&Path>, address: IpAddr, json: bool) -> anyhow::Result<Self> {
        let Some(path) = out else {
            return Ok(if json { Self::Json } else { Self::Lines });
        };
        let writer: Box<dyn Write> = if path == Path::new("-") {
            if io::stdout().is_terminal() {
                let hint = "give a file to --out, or send it to a program: --out - | tshark -r -";
                return Err(Refusal::invalid("pcapng is nothing to look at on a terminal", hint).into());
            }
            Box::new(io::stdout())
        } else {
            Box::new(create(path)?)
        };
        let comment = format!("agent capture {address}");
        Ok(Self::Pcapng(Pcapng::begin(writer, &comment)?))
    }

    fn take(&mut self, line: &CaptureLine) -> anyhow::Result<()> {
        match (self, line) {
            (Self::Json, line) => println!("{}", serde_json::to_string(line)?),
            (Self::Lines, CaptureLine::Packet(packet)) => tell(packet),
            (Self::Pcapng(file), CaptureLine::Packet(packet)) => {
                let packet = packet
                    .captured()
                    .context("the agent sent a packet that makes no sense")?;
                file.write(&packet).context("--out cannot be written")?;
                file.get_mut().flush().context("--out cannot be written")?;
            }
            (Self::Lines | Self::Pcapng(_), CaptureLine::End(_)) => {}
        }
        Ok(())
    }

    /// What was captured in a sentence, where that is not in the way of the packets.
    fn end(self, ended: &Ended, out: Option<&Path>, json: bool) -> anyhow::Result<()> {
        match (self, out) {
            (Self::Json, _) => return Ok(()),
            (Self::Pcapng(_), Some(path)) if json && path != Path::new("-") => return print::json(ended),
            _ => {}
        }
        let to = out.map_or_else(String::new, |path| format!(" are in {}", path.display()));
        let why = if ended.timed_out { "; the time is up" } else { "" };
        eprintln!(
            "{} dropped packets and {} that passed{to}{why}.",
            ended.dropped, ended.passed
        );
        for gap in &ended.gaps {
            eprintln!("note: {gap}");
        }
        Ok(())
    }
}

/// A capture is evidence: none is written over.
fn create(path: &Path) -> Result<File, Refusal> {
    File::create_new(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Refusal::invalid(
            format!("--out {}: there is such a file already", path.display()),
            "name another, or remove it: a capture is not written over",
        ),
        _ => Refusal::failed(format!("--out {}: cannot be made: {error}", path.display())),
    })
}

fn tell(packet: &PacketView) {
    let fate = packet
        .captured()
        .map(|captured| captured.fate.words())
        .unwrap_or_default();
    println!(
        "{}  {}  {} bytes  {}  {}",
        say::instant(packet.at),
        packet.interface,
        packet.frame_bytes,
        print::clean(&packet.packet),
        print::clean(&fate)
    );
}
