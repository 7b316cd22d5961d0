//! What each hostcall takes and gives, so that one piece of code makes them all.

use gatewright_abi::Hostcall;

/// One parameter, as a script sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parameter {
    /// A number.
    Number,
    /// A number of 64 bits.
    Long,
    /// Bytes: a pointer and a length.
    Bytes,
    /// A header map, encoded: a pointer and a length.
    Pairs,
    /// Where a number goes.
    OutNumber,
    /// Where a number of 64 bits goes.
    OutLong,
    /// Where bytes go: their pointer, and their length.
    OutBytes,
    /// Where an encoded header map goes.
    OutPairs,
}

/// The parameters of a hostcall, in order.
pub(crate) const fn parameters(call: Hostcall) -> &'static [Parameter] {
    use Hostcall as H;
    use Parameter::{
        Bytes as B, Long as L, Number as N, OutBytes, OutLong, OutNumber as O, OutPairs, Pairs as P,
    };
    match call {
        H::Done => &[],
        H::SetEffectiveContext
        | H::SetTickPeriodMilliseconds
        | H::ContinueStream
        | H::CloseStream
        | H::GrpcCancel
        | H::GrpcClose => &[N],
        H::Log | H::EnqueueSharedQueue => &[N, B],
        H::GetLogLevel => &[O],
        H::GetCurrentTimeNanoseconds => &[OutLong],
        H::SetBufferBytes => &[N, N, N, B],
        H::GetBufferBytes => &[N, N, N, OutBytes],
        H::GetBufferStatus => &[N, O, O],
        H::GetHeaderMapSize => &[N, O],
        H::GetHeaderMapPairs => &[N, OutPairs],
        H::SetHeaderMapPairs => &[N, P],
        H::GetHeaderMapValue => &[N, B, OutBytes],
        H::AddHeaderMapValue | H::ReplaceHeaderMapValue => &[N, B, B],
        H::RemoveHeaderMapValue => &[N, B],
        H::GetStatus => &[O, OutBytes],
        H::SendLocalResponse => &[N, B, B, P, N],
        H::HttpCall => &[B, P, B, P, N, O],
        H::GrpcCall => &[B, B, B, P, B, N, O],
        H::GrpcStream => &[B, B, B, P, O],
        H::GrpcSend => &[N, B, N],
        H::SetSharedData => &[B, B, N],
        H::GetSharedData => &[B, OutBytes, O],
        H::RegisterSharedQueue => &[B, O],
        H::ResolveSharedQueue => &[B, B, O],
        H::DequeueSharedQueue => &[N, OutBytes],
        H::DefineMetric => &[N, B, O],
        H::RecordMetric | H::IncrementMetric => &[N, L],
        H::GetMetric => &[N, OutLong],
        H::GetProperty => &[B, OutBytes],
        H::SetProperty => &[B, B],
        H::CallForeignFunction => &[B, B, OutBytes],
    }
}

/// Whether the number that the call gives names something, which hosts number as they like.
pub(crate) const fn gives_token(call: Hostcall) -> bool {
    matches!(
        call,
        Hostcall::HttpCall
            | Hostcall::GrpcCall
            | Hostcall::GrpcStream
            | Hostcall::RegisterSharedQueue
            | Hostcall::ResolveSharedQueue
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! arity {
        ($($variant:ident $name:literal ($($parameter:ident),*);)*) => {
            const ARITY: &[(Hostcall, &[&str])] = &[$((Hostcall::$variant, &[$(stringify!($parameter)),*]),)*];
        };
    }
    gatewright_abi::foreach_hostcall!(arity);

    #[test]
    fn every_hostcall_takes_as_many_numbers_as_the_abi_says() {
        for (call, types) in ARITY {
            let mut expected = Vec::new();
            for parameter in parameters(*call) {
                match parameter {
                    Parameter::Long => expected.push("i64"),
                    Parameter::Number | Parameter::OutNumber | Parameter::OutLong => {
                        expected.push("i32");
                    }
                    _ => expected.extend(["i32", "i32"]),
                }
            }
            assert_eq!(expected, *types, "{}", call.name());
        }
    }
}
