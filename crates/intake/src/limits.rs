//! The caps of a package, with defaults that fit a roster of several million students.

/// What a package may be at most. All sizes are counted while reading; what a header says is never trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Files and folders, those that are ignored included.
    pub entries: usize,
    /// Bytes of one file, unpacked.
    pub entry_bytes: u64,
    /// Bytes of all files that are read, unpacked, each counted once.
    pub total_bytes: u64,
    /// How many times its packed size a file may unpack to. It counts from [`Limits::RATIO_FROM`] on.
    pub ratio: u64,
}

impl Limits {
    /// Small files may be packed as tightly as they like: the ratio counts from this many unpacked bytes on.
    pub const RATIO_FROM: u64 = 4 * 1024 * 1024;
}

impl Default for Limits {
    /// 1,000 entries, 4 GiB a file, 8 GiB in all, 200 times. Real rosters pack at 3 to 20 times.
    fn default() -> Self {
        Self { entries: 1_000, entry_bytes: 4 << 30, total_bytes: 8 << 30, ratio: 200 }
    }
}
