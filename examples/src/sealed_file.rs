//! Files that are encrypted under a passphrase and can't be changed unnoticed. docs/EXPORT.md describes
//! the format.

use std::io::{self, ErrorKind, Read, Write};

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use chacha20::rand_core::CryptoRng;
use scrypt::{Params, scrypt};
use zeroize::Zeroizing;

/// Encrypts what is written into a file.
pub struct SealedWriter<W> {
    out: W,
    sealing: Sealing,
    /// Plaintext that is not encrypted yet: the last chunk is encrypted in another way.
    chunk: Zeroizing<Vec<u8>>,
}

/// Decrypts a file. Nothing is returned that was not authenticated.
pub struct SealedReader<R> {
    input: R,
    sealing: Sealing,
    chunk: Zeroizing<Vec<u8>>,
    /// Bytes of the chunk that were read.
    read: usize,
    /// First bytes of the next chunk: there is one only if the file goes on.
    next: Vec<u8>,
    is_last: bool,
}

/// Why a sealed file is not opened.
#[derive(Debug, thiserror::Error)]
pub enum UnsealError {
    /// It is another file.
    #[error("not an export of sealpost")]
    NotSealed,
    /// A later version has written it.
    #[error("written by a later version, in the format {0}: update sealpost")]
    Later(u8),
    /// The passphrase is another one.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// It was changed or cut off.
    #[error("damaged or cut off")]
    Damaged,
    /// The operating system reported an error.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Key and number of the next chunk.
struct Sealing {
    key: LessSafeKey,
    header: [u8; HEADER_LEN],
    chunks: u64,
}

/// Whether a chunk is the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    Inner = 0,
    Last = 1,
}

impl<W: Write> SealedWriter<W> {
    /// Begins a file. Deriving the key takes 128 MiB of memory and about half a second.
    pub fn new(mut out: W, passphrase: &[u8], rng: &mut dyn CryptoRng) -> io::Result<Self> {
        let mut header = [0; HEADER_LEN];
        let (start, rest) = header.split_at_mut(MAGIC.len());
        start.copy_from_slice(MAGIC);
        let [version, log_n, rest @ ..] = rest else { return Err(failed()) };
        (*version, *log_n) = (VERSION, LOG_N);
        let (salt, check) = rest.split_at_mut(SALT_LEN);
        rng.fill_bytes(salt);
        let (key, derived_check) = derive(passphrase, salt, LOG_N).ok_or_else(failed)?;
        check.copy_from_slice(&derived_check);
        out.write_all(&header)?;
        let sealing = Sealing { key, header, chunks: 0 };
        Ok(Self { out, sealing, chunk: Zeroizing::new(Vec::with_capacity(SEALED_LEN)) })
    }

    /// Ends the file. Without this it is refused as cut off.
    pub fn finish(mut self) -> io::Result<W> {
        self.seal(Position::Last)?;
        Ok(self.out)
    }

    fn seal(&mut self, position: Position) -> io::Result<()> {
        self.sealing.seal(&mut self.chunk, position)?;
        self.out.write_all(&self.chunk)?;
        self.chunk.clear();
        Ok(())
    }
}

impl<W: Write> Write for SealedWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.chunk.len() == CHUNK_LEN && !bytes.is_empty() {
            self.seal(Position::Inner)?;
        }
        let room = CHUNK_LEN.saturating_sub(self.chunk.len());
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.chunk.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<R: Read> SealedReader<R> {
    /// Reads the beginning of a file, and derives the key.
    pub fn new(mut input: R, passphrase: &[u8]) -> Result<Self, UnsealError> {
        let mut header = [0; HEADER_LEN];
        let header_len = fill(&mut input, &mut header)?;
        let (magic, rest) = header.split_at(MAGIC.len());
        let [version, log_n, rest @ ..] = rest else { return Err(UnsealError::NotSealed) };
        if magic != MAGIC {
            return Err(UnsealError::NotSealed);
        }
        if *version != VERSION {
            return Err(UnsealError::Later(*version));
        }
        if header_len < HEADER_LEN || *log_n > LOG_N_MAX {
            return Err(UnsealError::Damaged);
        }
        let (salt, check) = rest.split_at(SALT_LEN);
        let (key, derived) = derive(passphrase, salt, *log_n).ok_or(UnsealError::Damaged)?;
        verify_slices_are_equal(check, &derived).map_err(|_| UnsealError::WrongPassphrase)?;
        let mut next = vec![0; SEALED_LEN];
        let next_len = fill(&mut input, &mut next)?;
        next.truncate(next_len);
        let sealing = Sealing { key, header, chunks: 0 };
        let chunk = Zeroizing::new(Vec::new());
        Ok(Self { input, sealing, chunk, read: 0, next, is_last: false })
    }

    /// Decrypts the next chunk, and reads on behind it, to know whether it is the last one.
    fn open_next(&mut self) -> io::Result<()> {
        let mut behind = vec![0; SEALED_LEN];
        let behind_len = fill(&mut self.input, &mut behind)?;
        behind.truncate(behind_len);
        self.is_last = behind.is_empty();
        let position = if self.is_last { Position::Last } else { Position::Inner };
        self.chunk = Zeroizing::new(std::mem::replace(&mut self.next, behind));
        self.sealing.open(&mut self.chunk, position)?;
        self.read = 0;
        Ok(())
    }
}

impl<R: Read> Read for SealedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.read == self.chunk.len() && !self.is_last {
            self.open_next()?;
        }
        let mut rest = self.chunk.get(self.read..).unwrap_or_default();
        let count = rest.read(buffer)?;
        self.read = self.read.saturating_add(count);
        Ok(count)
    }
}

impl Sealing {
    fn seal(&mut self, chunk: &mut Vec<u8>, position: Position) -> io::Result<()> {
        let nonce = self.next_nonce(position);
        self.key
            .seal_in_place_append_tag(nonce, Aad::from(self.header), chunk)
            .map_err(|_| failed())
    }

    fn open(&mut self, chunk: &mut Vec<u8>, position: Position) -> io::Result<()> {
        let nonce = self.next_nonce(position);
        let opened = self.key.open_in_place(nonce, Aad::from(self.header), chunk);
        let len =
            opened.map_err(|_| io::Error::new(ErrorKind::InvalidData, UnsealError::Damaged))?.len();
        chunk.truncate(len);
        Ok(())
    }

    /// No two chunks of a key have the same one. The last chunk has its own, so that a file that is cut
    /// off behind any chunk is noticed.
    fn next_nonce(&mut self, position: Position) -> Nonce {
        let mut nonce = [0; 12];
        let (number, last) = nonce.split_at_mut(11);
        if let Some(low) = number.get_mut(3..) {
            low.copy_from_slice(&self.chunks.to_be_bytes());
        }
        last.copy_from_slice(&[position as u8]);
        self.chunks = self.chunks.wrapping_add(1);
        Nonce::assume_unique_for_key(nonce)
    }
}

/// The key of a file, and what tells whether it is the right one.
fn derive(passphrase: &[u8], salt: &[u8], log_n: u8) -> Option<(LessSafeKey, [u8; CHECK_LEN])> {
    let cost = Params::new(log_n, SCRYPT_R, SCRYPT_P).ok()?;
    let mut derived = Zeroizing::new([0; KEY_LEN + CHECK_LEN]);
    scrypt(passphrase, salt, &cost, &mut *derived).ok()?;
    let (key, check) = derived.split_at(KEY_LEN);
    let key = UnboundKey::new(&CHACHA20_POLY1305, key).ok()?;
    Some((LessSafeKey::new(key), check.try_into().ok()?))
}

/// Reads until the buffer is full or the input has ended. Returns how many bytes were read.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while let Some(rest) = buffer.get_mut(len..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(count) => len = len.saturating_add(count),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}

fn failed() -> io::Error {
    io::Error::other("the encryption failed")
}

const MAGIC: &[u8; 16] = b"sealpost export\n";
const VERSION: u8 = 1;
const SALT_LEN: usize = 16;
const CHECK_LEN: usize = 32;
const HEADER_LEN: usize = MAGIC.len() + 2 + SALT_LEN + CHECK_LEN;
const KEY_LEN: usize = 32;
const CHUNK_LEN: usize = 64 << 10;
/// A chunk with its tag.
const SEALED_LEN: usize = CHUNK_LEN + 16;
/// The costs of scrypt: those of a key file.
const LOG_N: u8 = 17;
const SCRYPT_R: u32 = 8;
const SCRYPT_P: u32 = 1;
/// More than 1 GiB of memory is not spent on a file that anybody may have written.
const LOG_N_MAX: u8 = 20;

#[cfg(test)]
mod tests;
