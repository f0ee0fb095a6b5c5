//! Captured packets as pcapng (draft-ietf-opsawg-pcapng): an interface for each place and fate, a comment on each packet, times to
//! the nanosecond.

use std::{borrow::Cow, io::Write, time::Duration};

use pcap_file::{
    DataLink, PcapResult,
    pcapng::{
        PcapNgWriter,
        blocks::{
            enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption},
            interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption},
            section_header::{SectionHeaderBlock, SectionHeaderOption},
        },
    },
};

use super::packet::{Captured, Fate, SNAP};

/// `if_tsresol`: 10^-9 s, which is what the library writes.
const NANOSECONDS: u8 = 9;

/// Writes packets.
pub struct Pcapng<W: Write> {
    writer: PcapNgWriter<W>,
    /// Name and whether it passed, by the number of the interface in the file.
    interfaces: Vec<(String, bool)>,
}

impl<W: Write> std::fmt::Debug for Pcapng<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pcapng")
            .field("interfaces", &self.interfaces)
            .finish_non_exhaustive()
    }
}

impl<W: Write> Pcapng<W> {
    /// Begins a file; the comment says what is in it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn begin(writer: W, comment: &str) -> PcapResult<Self> {
        let options = vec![
            SectionHeaderOption::Comment(Cow::Owned(comment.to_owned())),
            SectionHeaderOption::UserApplication(Cow::Borrowed(concat!("levee ", env!("CARGO_PKG_VERSION")))),
        ];
        let section = SectionHeaderBlock {
            options,
            ..SectionHeaderBlock::default()
        };
        Ok(Self {
            writer: PcapNgWriter::with_section_header(writer, section)?,
            interfaces: Vec::new(),
        })
    }

    /// Writes a packet.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&mut self, packet: &Captured) -> PcapResult<()> {
        let interface_id = self.interface(packet)?;
        let since_epoch = packet.at.as_duration();
        let block = EnhancedPacketBlock {
            interface_id,
            // A clock before 1970 is no evidence of anything.
            timestamp: Duration::try_from(since_epoch).unwrap_or_default(),
            original_len: packet.frame_bytes,
            data: Cow::Borrowed(&packet.bytes),
            options: vec![EnhancedPacketOption::Comment(Cow::Owned(packet.fate.words()))],
        };
        self.writer.write_pcapng_block(block)?;
        Ok(())
    }

    /// Where it was written to.
    pub fn get_mut(&mut self) -> &mut W {
        self.writer.get_mut()
    }

    /// Where it was written to, when all was.
    pub fn into_inner(self) -> W {
        self.writer.into_inner()
    }

    fn interface(&mut self, packet: &Captured) -> PcapResult<u32> {
        let passed = packet.fate == Fate::Passed;
        let known = |(name, fate): &(String, bool)| *name == packet.interface && *fate == passed;
        let at = if let Some(at) = self.interfaces.iter().position(known) {
            at
        } else {
            let description = if passed {
                "What passed, seen by a packet socket behind the XDP program"
            } else {
                "What was (in mode monitor: would be) dropped, sampled by the XDP program"
            };
            let block = InterfaceDescriptionBlock {
                linktype: DataLink::ETHERNET,
                snaplen: u32::try_from(SNAP).unwrap_or(u32::MAX),
                options: vec![
                    InterfaceDescriptionOption::IfName(Cow::Borrowed(&packet.interface)),
                    InterfaceDescriptionOption::IfDescription(Cow::Borrowed(description)),
                    InterfaceDescriptionOption::IfTsResol(NANOSECONDS),
                ],
            };
            self.writer.write_pcapng_block(block)?;
            self.interfaces.push((packet.interface.clone(), passed));
            self.interfaces.len() - 1
        };
        // As many as there are interfaces, twice.
        Ok(u32::try_from(at).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use pcap_file::pcapng::{Block, PcapNgReader};

    use super::*;

    fn packet(fate: Fate, interface: &str) -> Captured {
        Captured {
            at: "2026-03-14T11:08:02.123456789Z".parse().expect("time"),
            interface: interface.to_owned(),
            fate,
            frame_bytes: 1_514,
            bytes: vec![7; 54],
        }
    }

    #[test]
    fn every_packet_says_what_became_of_it() {
        let dropped = Fate::Dropped {
            reason: "syn_rate".to_owned(),
            really: true,
        };
        let mut file = Pcapng::begin(Vec::new(), "a test").expect("memory");
        for (fate, interface) in [(dropped.clone(), "eth0"), (Fate::Passed, "eth0"), (dropped, "eth0")] {
            file.write(&packet(fate, interface)).expect("memory");
        }
        let bytes = file.into_inner();
        let mut reader = PcapNgReader::new(&bytes[..]).expect("pcapng");
        let mut seen = Vec::new();
        while let Some(block) = reader.next_block() {
            if let Block::EnhancedPacket(block) = block.expect("a sound block") {
                assert_eq!((block.original_len, block.data.len()), (1_514, 54));
                assert_eq!(block.timestamp.subsec_nanos(), 123_456_789);
                let [EnhancedPacketOption::Comment(comment)] = &block.options[..] else {
                    panic!("one comment")
                };
                seen.push((block.interface_id, comment.to_string()));
            }
        }
        let wanted = [(0, "dropped: syn_rate"), (1, "passed"), (0, "dropped: syn_rate")];
        assert_eq!(seen, wanted.map(|(id, comment)| (id, comment.to_owned())));
    }
}
