//! Sealed files, whole and damaged.

use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng;

use super::*;

const PASSPHRASE: &[u8] = b"correct horse";

fn sealed(plaintext: &[u8]) -> Vec<u8> {
    let mut rng = ChaCha20Rng::from_seed([7; 32]);
    let mut writer = SealedWriter::new(Vec::new(), PASSPHRASE, &mut rng).unwrap();
    writer.write_all(plaintext).unwrap();
    writer.finish().unwrap()
}

fn unsealed(sealed: &[u8], passphrase: &[u8]) -> Result<Vec<u8>, UnsealError> {
    let mut plaintext = Vec::new();
    SealedReader::new(sealed, passphrase)?.read_to_end(&mut plaintext)?;
    Ok(plaintext)
}

#[test]
fn file_of_any_length_comes_back() {
    for len in [0, 1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 2 * CHUNK_LEN] {
        let plaintext = vec![5; len];
        let sealed = sealed(&plaintext);
        let chunks = len.div_ceil(CHUNK_LEN).max(1);
        assert_eq!(sealed.len(), HEADER_LEN + len + 16 * chunks);
        assert!(unsealed(&sealed, PASSPHRASE).unwrap() == plaintext, "{len}");
    }
}

#[test]
fn wrong_passphrase_is_told_from_damage() {
    let sealed = sealed(b"hello");
    assert!(matches!(unsealed(&sealed, b"battery staple"), Err(UnsealError::WrongPassphrase)));
    assert!(matches!(unsealed(b"", PASSPHRASE), Err(UnsealError::NotSealed)));
    assert!(matches!(unsealed(&[b'x'; 900], PASSPHRASE), Err(UnsealError::NotSealed)));
    let later = [&MAGIC[..], &[2], &[0; 99]].concat();
    assert!(matches!(unsealed(&later, PASSPHRASE), Err(UnsealError::Later(2))));
    let costly = [&MAGIC[..], &[VERSION, 60], &[0; 99]].concat();
    assert!(matches!(unsealed(&costly, PASSPHRASE), Err(UnsealError::Damaged)));
}

#[test]
fn file_that_was_cut_off_is_refused() {
    let sealed = sealed(&vec![5; 2 * CHUNK_LEN + 9]);
    let at_chunks = [1, 2].map(|chunks| HEADER_LEN + chunks * SEALED_LEN);
    let cuts = [MAGIC.len() + 9, HEADER_LEN, HEADER_LEN + 9, sealed.len() - 1];
    for len in cuts.into_iter().chain(at_chunks) {
        assert!(unsealed(&sealed[..len], PASSPHRASE).is_err(), "{len}");
    }
}

#[test]
fn changed_file_is_refused() {
    let sealed = sealed(&vec![5; CHUNK_LEN + 9]);
    for at in [MAGIC.len() + 2, HEADER_LEN, HEADER_LEN + SEALED_LEN, sealed.len() - 1] {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(unsealed(&changed, PASSPHRASE).is_err(), "{at}");
    }
    let longer = [&sealed[..], b"x"].concat();
    assert!(unsealed(&longer, PASSPHRASE).is_err());
    // Chunks in another place.
    let (header, chunks) = sealed.split_at(HEADER_LEN);
    let (first, last) = chunks.split_at(SEALED_LEN);
    assert!(unsealed(&[header, first, first, last].concat(), PASSPHRASE).is_err());
    assert!(unsealed(&[header, last].concat(), PASSPHRASE).is_err());
}
