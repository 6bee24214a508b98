//! Zstandard files: one frame after another, as `zstd` and those that append write them.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Most bytes of what came before that a frame may refer to and that are kept for it: what `zstd --long` uses.
const WINDOW_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Unpacks a file of frames.
pub(super) struct ZstdDecoder<R> {
    frames: R,
    decoder: FrameDecoder,
    /// A frame has been begun and not been read to its end.
    in_frame: bool,
}

impl<R: BufRead> ZstdDecoder<R> {
    /// A decoder of what a reader gives.
    pub(super) fn new(frames: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW_BYTES_MAX);
        Self {
            frames,
            decoder,
            in_frame: false,
        }
    }

    /// Begins the next frame that has rows; false at the end of the file.
    fn begin(&mut self) -> io::Result<bool> {
        loop {
            if self.frames.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.reset(&mut self.frames) {
                Ok(()) => {
                    self.in_frame = true;
                    return Ok(true);
                }
                // Somebody's own data between frames.
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    let skipped = io::copy(&mut self.frames.by_ref().take(length), &mut io::sink())?;
                    if skipped < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }

    fn check_sum(&self) -> io::Result<()> {
        match self.decoder.get_checksum_from_data() {
            Some(told) if self.decoder.get_calculated_checksum() != Some(told) => Err(io::Error::other(
                "the checksum of a frame does not fit its content",
            )),
            _ => Ok(()),
        }
    }
}

impl<R: BufRead> Read for ZstdDecoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.in_frame && !self.begin()? {
                return Ok(0);
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let blocks = self
                    .decoder
                    .decode_blocks(&mut self.frames, BlockDecodingStrategy::UptoBlocks(1));
                blocks.map_err(io::Error::other)?;
            }
            let read = self.decoder.read(buffer)?;
            if read > 0 {
                return Ok(read);
            }
            self.check_sum()?;
            self.in_frame = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn packed(text: &[u8]) -> Vec<u8> {
        compress_to_vec(text, CompressionLevel::Fastest)
    }

    fn unpacked(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        ZstdDecoder::new(bytes).read_to_end(&mut text).map(|_| text)
    }

    #[test]
    fn frames_follow_one_another() {
        let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let long = vec![b'x'; 1 << 20];
        let frames = [
            packed(b"a"),
            skipped.clone(),
            packed(b""),
            packed(&long),
            packed(b"b"),
        ]
        .concat();
        assert_eq!(unpacked(&frames).unwrap(), [b"a", &long[..], b"b"].concat());
        assert_eq!(unpacked(&[]).unwrap(), b"");
        assert_eq!(unpacked(&skipped).unwrap(), b"");
    }

    #[test]
    fn what_is_broken_is_refused() {
        let whole = packed(b"some text that is long enough to have a body");
        for length in 1..whole.len() {
            assert!(unpacked(&whole[..length]).is_err(), "{length}");
        }
        let mut wrong = whole.clone();
        *wrong.last_mut().unwrap() ^= 1;
        assert!(unpacked(&wrong).is_err());
        assert!(unpacked(b"no frame at all").is_err());
        assert!(unpacked(&[0x50, 0x2a, 0x4d, 0x18, 9, 0, 0, 0, 1]).is_err());
        // A frame that wants a window of a gigabyte: magic number, descriptor, window of 2^30 bytes.
        let wide = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa0];
        assert!(unpacked(&wide).is_err());
    }
}
