//! How a hostcall is declared: one row gives its name, its ABI versions, its parameters and the
//! function that serves it. The table of all hostcalls and the linker are both made from the rows.

use wasmtime::Linker;

use crate::abi::{AbiVersion, Status};
use crate::fuel::pay;
use crate::memory::{Guest, HostcallError, HostcallResult};
use crate::recording::RecordedEvent;
use crate::recording::draft::Draft;
use crate::state::HostState;

/// A hostcall that this host serves.
///
/// ```
/// use gatepost_host::{AbiVersion, HOSTCALLS};
///
/// let call = HOSTCALLS.iter().find(|call| call.name == "proxy_increment_metric").unwrap();
/// assert_eq!((call.params, call.results), ("iI", "i")); // (i32, i64) -> i32
/// assert_eq!(call.since, AbiVersion::V0_1_0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hostcall {
    /// The import's name in the module `env`.
    pub name: &'static str,
    /// The first ABI version that has it.
    pub since: AbiVersion,
    /// The last ABI version that has it.
    pub until: AbiVersion,
    /// Its parameters: `i` for an i32, `I` for an i64, `F` for an f64.
    pub params: &'static str,
    /// Its results, in the same letters.
    pub results: &'static str,
}

impl Hostcall {
    /// Whether this version of the ABI has the hostcall.
    pub(crate) fn is_in(&self, abi: AbiVersion) -> bool {
        (self.since..=self.until).contains(&abi)
    }
}

/// A hostcall, and how the linker gets it.
pub(super) struct Definition {
    pub(super) hostcall: Hostcall,
    pub(super) link: fn(&mut Linker<HostState>) -> wasmtime::Result<()>,
}

/// Declares a family of hostcalls, a row for each:
///
/// ```text
/// name(parameter: type, …) in FIRST..=LAST => |guest| function(guest, parameter, …);
/// ```
///
/// `FIRST` and `LAST` are the ABI versions that have the hostcall. The function gets the guest and
/// returns a [`HostcallResult`], which becomes the status that the guest sees.
macro_rules! family {
    ($(
        $name:ident($($param:ident: $type:ident),*) in $since:ident..=$until:ident => $serve:expr;
    )*) => {
        &[$($crate::hostcalls::definition::Definition {
            hostcall: $crate::hostcalls::definition::Hostcall {
                name: stringify!($name),
                since: $crate::abi::AbiVersion::$since,
                until: $crate::abi::AbiVersion::$until,
                params: concat!($($crate::hostcalls::definition::letter!($type)),*),
                results: "i",
            },
            link: |linker| {
                type Caller<'a> = wasmtime::Caller<'a, $crate::state::HostState>;
                let function = |mut guest: Caller<'_>, $($param: $type),*| {
                    $crate::hostcalls::definition::serve(&mut guest, stringify!($name), $serve)
                };
                linker.func_wrap("env", stringify!($name), function).map(drop)
            },
        }),*]
    };
}

/// The letter of a type in [`Hostcall::params`].
macro_rules! letter {
    (u32) => {
        "i"
    };
    (i32) => {
        "i"
    };
    (u64) => {
        "I"
    };
    (i64) => {
        "I"
    };
}

pub(super) use {family, letter};

/// Serves one hostcall: runs it, records it if the VM records, and turns its result into the
/// guest's status.
#[inline]
pub(super) fn serve(
    guest: Guest<'_, '_>,
    name: &'static str,
    call: impl FnOnce(Guest<'_, '_>) -> HostcallResult,
) -> wasmtime::Result<u32> {
    if guest.data().recorder.is_none() {
        let result = call(guest);
        pay(guest)?;
        return status_code(guest, result);
    }
    // A guest's allocator may make a hostcall while another one gives it a value.
    let outer = guest.data_mut().draft.replace(Box::default());
    let result = call(guest);
    let status = match &result {
        Ok(()) => Status::Ok,
        Err(HostcallError::Status(status)) => *status,
        Err(HostcallError::Limit(_) | HostcallError::Trap(_)) => Status::InternalFailure,
    };
    let state = guest.data_mut();
    let Draft { arguments, returned } =
        *std::mem::replace(&mut state.draft, outer).unwrap_or_default();
    state.record(RecordedEvent::Called { hostcall: name, arguments, status, returned });
    pay(guest)?;
    status_code(guest, result)
}

fn status_code(guest: Guest<'_, '_>, result: HostcallResult) -> wasmtime::Result<u32> {
    match result {
        Ok(()) => Ok(Status::Ok.code()),
        Err(HostcallError::Status(status)) => Ok(status.code()),
        Err(HostcallError::Limit(limit)) => {
            guest.data_mut().deny(limit);
            Ok(Status::InternalFailure.code())
        }
        Err(HostcallError::Trap(error)) => Err(error),
    }
}
