//! [`sealpost_tests::fuzz::event`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sealpost_tests::fuzz::event(data));
