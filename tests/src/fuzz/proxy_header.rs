//! Headers of proxies, cut at any place.

use sealpost_mio::ProxyHeader;

/// Reads a header at the front of any bytes. It is at most [`ProxyHeader::MAX_LEN`] bytes long; what
/// follows it does not change it; and of fewer bytes than the header has, none is read, nor any
/// error reported.
///
/// # Panics
/// If one of these properties is violated.
pub fn proxy_header(data: &[u8]) {
    let parsed = ProxyHeader::parse(data);
    match parsed {
        Ok(Some(header)) => {
            assert!(header.len <= ProxyHeader::MAX_LEN && header.len <= data.len());
            for len in 0..header.len {
                let cut = data.get(..len).unwrap_or_default();
                assert_eq!(ProxyHeader::parse(cut), Ok(None), "{len} of {data:?}");
            }
            let exact = data.get(..header.len).unwrap_or_default();
            assert_eq!(ProxyHeader::parse(exact), parsed);
        }
        // Nobody has to keep more than that in order to get an answer.
        Ok(None) => assert!(data.len() < ProxyHeader::MAX_LEN, "{data:?}"),
        Err(error) => {
            let longer = [data, &[b'\n'; 8][..]].concat();
            assert_eq!(ProxyHeader::parse(&longer), Err(error), "more bytes do not help");
        }
    }
}
