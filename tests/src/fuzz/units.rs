//! What is written in flags, keys and requests as one word: what is accepted is printed, and read back to the same.

use std::{
    fmt::{Debug, Display},
    str::FromStr,
};

use agent::{
    config::{
        prefix,
        units::{Amplification, BitRate, Burst, Interval, PacketRate, Rate, Span, Ttl},
    },
    detect::Subject,
    fleet::Target,
    overrides::ThresholdTarget,
};

pub(super) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    same::<Rate>(text);
    same::<Burst>(text);
    same::<Ttl>(text);
    same::<Span>(text);
    same::<Interval>(text);
    same::<PacketRate>(text);
    same::<BitRate>(text);
    same::<Subject>(text);
    same::<ThresholdTarget>(text);
    same::<Target>(text);
    amplification(text);
    match prefix::parse(text) {
        Ok(net) => {
            assert_eq!(prefix::parse(&prefix::display(net)), Ok(net), "{text:?}");
            assert_eq!(prefix::parse(&net.to_string()), Ok(net), "{text:?}");
            assert_eq!(net.trunc(), net, "no bits behind the prefix");
            assert_ne!(net.prefix_len(), 0, "never everything");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Ok(address) = prefix::parse_address(text) {
        assert_eq!(prefix::parse_address(&address.to_string()), Ok(address));
        assert_eq!(address.to_canonical(), address, "IPv4 in one form");
    }
}

fn same<T>(text: &str)
where
    T: FromStr + Display + Debug + PartialEq,
    T::Err: Display,
{
    match text.parse::<T>() {
        Ok(read) => {
            let printed = read.to_string();
            match printed.parse::<T>() {
                Ok(again) => assert_eq!(again, read, "{text:?} is printed as {printed:?}"),
                Err(error) => panic!("{text:?} is printed as {printed:?}, and not read back: {error}"),
            }
        }
        Err(error) => assert!(!error.to_string().is_empty(), "a refusal says why"),
    }
}

fn amplification(text: &str) {
    let Ok(read) = serde_json::from_str::<Amplification>(text) else {
        return;
    };
    let written = serde_json::to_string(&read).expect("plain");
    let again: Amplification = serde_json::from_str(&written).expect("read back");
    assert_eq!(again.bits(), read.bits(), "{text:?} is written as {written}");
}
