//! The trace: what a program did to the files below one directory, in order.
//!
//! Each record is its length (four bytes, little-endian), a tag, and its fields. Numbers have
//! eight bytes; paths and data come after their length and are as the program gave them.

/// One step. Steps that failed are not traced: they changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A file opened for writing, and made where it was missing; or a directory opened.
    Open {
        /// Names the file in later events; never used twice.
        handle: u64,
        /// The file.
        path: Vec<u8>,
        /// Whether its contents were cut off.
        truncate: bool,
    },
    /// Bytes written.
    Write {
        /// The file.
        handle: u64,
        /// Where they begin.
        offset: u64,
        /// What was written.
        data: Vec<u8>,
    },
    /// The length set.
    Resize {
        /// The file.
        handle: u64,
        /// The new length.
        length: u64,
    },
    /// Space reserved, and the length raised to cover it.
    Extend {
        /// The file.
        handle: u64,
        /// The least length.
        length: u64,
    },
    /// All of the file, or of the directory's entries, made durable.
    Sync {
        /// The file or directory.
        handle: u64,
    },
    /// A file or directory renamed, replacing what had the name.
    Rename {
        /// The old name.
        from: Vec<u8>,
        /// The new name.
        to: Vec<u8>,
    },
    /// A second name for a file.
    Link {
        /// The first name.
        from: Vec<u8>,
        /// The second.
        to: Vec<u8>,
    },
    /// The name of a file or of an empty directory removed.
    Unlink {
        /// The name.
        path: Vec<u8>,
    },
    /// A directory made.
    MakeDir {
        /// The directory.
        path: Vec<u8>,
    },
    /// What the program told the outside.
    Ack {
        /// Its words.
        data: Vec<u8>,
    },
}

impl Event {
    /// Appends the record to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut body = Vec::new();
        match self {
            Self::Open { handle, path, truncate } => {
                body.push(0);
                number(&mut body, *handle);
                number(&mut body, u64::from(*truncate));
                bytes(&mut body, path);
            }
            Self::Write { handle, offset, data } => {
                body.push(1);
                number(&mut body, *handle);
                number(&mut body, *offset);
                bytes(&mut body, data);
            }
            Self::Resize { handle, length } => pair(&mut body, 2, *handle, *length),
            Self::Extend { handle, length } => pair(&mut body, 3, *handle, *length),
            Self::Sync { handle } => {
                body.push(4);
                number(&mut body, *handle);
            }
            Self::Rename { from, to } => names(&mut body, 5, from, to),
            Self::Link { from, to } => names(&mut body, 6, from, to),
            Self::Unlink { path } => names(&mut body, 7, path, &[]),
            Self::MakeDir { path } => names(&mut body, 8, path, &[]),
            Self::Ack { data } => names(&mut body, 9, data, &[]),
        }
        out.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(&body);
    }

    /// Takes the first record off `input`; `None` when there is no whole one.
    pub fn decode(input: &mut &[u8]) -> Option<Self> {
        let (len, rest) = input.split_first_chunk::<4>()?;
        let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
        let (body, rest) = rest.split_at_checked(len)?;
        *input = rest;
        let mut body = Reader(body);
        let tag = body.tag()?;
        Some(match tag {
            0 => {
                let (handle, truncate) = (body.number()?, body.number()? != 0);
                Self::Open { handle, path: body.bytes()?, truncate }
            }
            1 => {
                let (handle, offset) = (body.number()?, body.number()?);
                Self::Write { handle, offset, data: body.bytes()? }
            }
            2 => Self::Resize { handle: body.number()?, length: body.number()? },
            3 => Self::Extend { handle: body.number()?, length: body.number()? },
            4 => Self::Sync { handle: body.number()? },
            5 => Self::Rename { from: body.bytes()?, to: body.bytes()? },
            6 => Self::Link { from: body.bytes()?, to: body.bytes()? },
            7 => Self::Unlink { path: body.bytes()? },
            8 => Self::MakeDir { path: body.bytes()? },
            9 => Self::Ack { data: body.bytes()? },
            _ => return None,
        })
    }
}

fn number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn pair(out: &mut Vec<u8>, tag: u8, first: u64, second: u64) {
    out.push(tag);
    number(out, first);
    number(out, second);
}

fn names(out: &mut Vec<u8>, tag: u8, first: &[u8], second: &[u8]) {
    out.push(tag);
    bytes(out, first);
    bytes(out, second);
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn tag(&mut self) -> Option<u8> {
        let (tag, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*tag)
    }

    fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*number))
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let len = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes.to_vec())
    }
}
