//! The program of the guest, as bytes: which hostcalls it makes, in which callbacks, with which
//! arguments.

use gatepost_host::{AbiVersion, HOSTCALLS, Hostcall, Profile};

use super::guest::{ANYWHERE, CALL_BYTES, CALLBACKS, CALLS, HEAD, HEAD_BYTES, MEMORY, PAYLOAD};

/// What a guest's allocator returns: a valid address (0), or always this one.
const ALLOCATORS: [u32; 8] = [0, 0, 0, PAYLOAD, HEAD, MEMORY - 1, u32::MAX, u32::MAX - 7];

/// Numbers at which sums wrap round or memory ends.
const EDGES: [u32; 16] = [
    0,
    1,
    2,
    4,
    8,
    16,
    HEAD,
    PAYLOAD,
    MEMORY - 4,
    MEMORY - 1,
    MEMORY,
    MEMORY + 1,
    i32::MAX as u32,
    i32::MIN as u32,
    u32::MAX - 3,
    u32::MAX,
];

/// One hostcall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The callback that it is made in, as a place in [`CALLBACKS`].
    pub callback: u8,
    /// The hostcall, as a place in [`HOSTCALLS`].
    pub hostcall: u8,
    /// Its arguments.
    pub arguments: Vec<Argument>,
}

/// One argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// A small number.
    Small(u8),
    /// A place in the payload.
    Payload(u16),
    /// One of the numbers at which sums wrap round or memory ends.
    Edge(u8),
    /// Any number.
    Any(u32),
}

impl Argument {
    fn value(self) -> u32 {
        match self {
            Self::Small(number) => number.into(),
            Self::Payload(at) => PAYLOAD + u32::from(at),
            Self::Edge(at) => EDGES[usize::from(at) % EDGES.len()],
            Self::Any(number) => number,
        }
    }
}

/// What a guest is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The first byte, whose bits are the ABI version, the profile, the return value and the
    /// allocator.
    pub setting: u8,
    /// Its hostcalls.
    pub calls: Vec<Call>,
    /// The bytes that the arguments point at.
    pub payload: Vec<u8>,
}

impl Program {
    /// Reads a program; any bytes are one.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        let mut rest = bytes;
        let mut next = || {
            let (byte, after) = rest.split_first()?;
            rest = after;
            Some(*byte)
        };
        let setting = next().unwrap_or(0);
        let count = usize::from(next().unwrap_or(0)) % (CALLS + 1);
        let argument = |next: &mut dyn FnMut() -> Option<u8>| {
            let mut byte = || next().unwrap_or(0);
            match byte() {
                small @ 0..0x80 => Argument::Small(small),
                high @ 0x80..0xc0 => Argument::Payload(u16::from_be_bytes([high & 0x3f, byte()])),
                edge @ 0xc0..0xf0 => Argument::Edge(edge - 0xc0),
                0xf0.. => Argument::Any(u32::from_le_bytes([byte(), byte(), byte(), byte()])),
            }
        };
        let calls = (0..count).map_while(|_| {
            let (callback, hostcall) = (next()?, next()?);
            let params = HOSTCALLS[usize::from(hostcall) % HOSTCALLS.len()].params.len();
            Some(Call {
                callback,
                hostcall,
                arguments: (0..params).map(|_| argument(&mut next)).collect(),
            })
        });
        let calls = calls.collect();
        Self { setting, calls, payload: rest.to_vec() }
    }

    /// The bytes from which [`Program::read`] gives this program.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.setting, u8::try_from(self.calls.len()).unwrap_or(u8::MAX)];
        for call in &self.calls {
            bytes.extend([call.callback, call.hostcall]);
            for argument in &call.arguments {
                match *argument {
                    Argument::Small(number) => bytes.push(number & 0x7f),
                    Argument::Payload(at) => bytes.extend((at & 0x3fff | 0x8000).to_be_bytes()),
                    Argument::Edge(at) => bytes.push(0xc0 + at % 0x30),
                    Argument::Any(number) => {
                        bytes.extend([&[0xf0], &number.to_le_bytes()[..]].concat());
                    }
                }
            }
        }
        bytes.extend(&self.payload);
        bytes
    }

    /// The version of the ABI that the guest is built for.
    #[must_use]
    pub fn abi(&self) -> AbiVersion {
        [AbiVersion::V0_2_1, AbiVersion::V0_2_1, AbiVersion::V0_2_0, AbiVersion::V0_1_0]
            [usize::from(self.setting & 3)]
    }

    /// The profile of the host that it runs on.
    #[must_use]
    pub fn profile(&self) -> Profile {
        if self.setting & 4 == 0 { Profile::Envoy } else { Profile::Gcp }
    }

    /// The bytes that the guest loads at [`HEAD`]: its return value and allocator, its calls, and
    /// the payload.
    #[must_use]
    pub fn image(&self) -> Vec<u8> {
        let answer = u32::from(self.setting >> 3 & 3);
        let allocator = ALLOCATORS[usize::from(self.setting >> 5)];
        let mut image = Vec::new();
        [answer, allocator].iter().for_each(|number| image.extend(number.to_le_bytes()));
        image.resize(HEAD_BYTES as usize, 0);
        for call in self.calls.iter().take(CALLS) {
            let start = image.len();
            let callback = usize::from(call.callback) % (CALLBACKS.len() + 1);
            let callback = if callback == CALLBACKS.len() { ANYWHERE } else { callback as u32 };
            let hostcall = usize::from(call.hostcall) % HOSTCALLS.len();
            image.extend(callback.to_le_bytes());
            image.extend((hostcall as u32).to_le_bytes());
            call.arguments.iter().for_each(|argument| image.extend(argument.value().to_le_bytes()));
            image.resize(start + CALL_BYTES as usize, 0);
        }
        // The unused calls name a callback that does not exist.
        image.resize((PAYLOAD - HEAD) as usize, 0xff);
        image.extend(self.payload.iter().take((MEMORY / 4) as usize));
        image
    }
}

/// The hostcall of this name, as a place in [`HOSTCALLS`].
#[must_use]
pub fn hostcall(name: &str) -> Option<u8> {
    HOSTCALLS
        .iter()
        .position(|Hostcall { name: known, .. }| *known == name)
        .and_then(|at| u8::try_from(at).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_the_same() {
        let arguments = vec![
            Argument::Small(3),
            Argument::Payload(300),
            Argument::Edge(15),
            Argument::Any(0x0102_0304),
        ];
        let call = Call {
            callback: 4,
            hostcall: hostcall("proxy_get_property").expect("served"),
            arguments,
        };
        let program = Program {
            setting: 0x25,
            calls: vec![call.clone(), call],
            payload: b"source\0address".to_vec(),
        };
        assert_eq!(Program::read(&program.bytes()), program);
    }

    #[test]
    fn no_bytes_are_a_program_that_does_nothing() {
        assert_eq!(
            Program::read(&[]),
            Program { setting: 0, calls: Vec::new(), payload: Vec::new() }
        );
        assert_eq!(Program::read(&[0, 7, 1]).calls, []);
    }
}
