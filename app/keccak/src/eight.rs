//! Eight messages at once: a vector holds the same lane of all eight states (FIPS 202, 3.1).

use alloy_primitives::{B256, keccak256};
use core::arch::x86_64::{
    __m512i, _mm256_extract_epi64, _mm512_extracti64x4_epi64, _mm512_rol_epi64, _mm512_set1_epi64,
    _mm512_setr_epi64, _mm512_setzero_si512, _mm512_ternarylogic_epi64, _mm512_xor_si512,
};

/// Messages in a vector.
const WIDTH: usize = 8;
/// Bytes that one permutation absorbs: the state's 200 less twice the hash's 32.
const RATE: usize = 136;
/// The same in lanes.
const RATE_LANES: usize = RATE / 8;

/// The lanes of eight states: lane (x, y) of all of them is at x + 5y.
type States = [__m512i; 25];

/// What the step ι adds to lane (0, 0) in each round (FIPS 202, 3.2.5).
const ROUND_CONSTANTS: [i64; 24] = round_constants();

/// The Keccak-256 of each message. The processor must have AVX-512F.
pub(crate) fn all<M: AsRef<[u8]>>(messages: &[M]) -> Vec<B256> {
    let mut hashes = vec![B256::ZERO; messages.len()];
    let blocks = |place: &usize| messages[*place].as_ref().len() / RATE + 1;
    let mut places: Vec<usize> = (0..messages.len()).collect();
    places.sort_by_key(blocks);
    for alike in places.chunk_by(|a, b| blocks(a) == blocks(b)) {
        for few in alike.chunks(WIDTH) {
            if let [place] = few {
                hashes[*place] = keccak256(&messages[*place]);
                continue;
            }
            let together =
                core::array::from_fn(|i| few.get(i).map_or(&[][..], |p| messages[*p].as_ref()));
            #[expect(unsafe_code, reason = "a call that the processor must support")]
            // SAFETY: the caller has found AVX-512F.
            let found = unsafe { eight(&together, blocks(&few[0])) };
            for (place, hash) in few.iter().zip(found) {
                hashes[*place] = hash;
            }
        }
    }
    hashes
}

/// The Keccak-256 of those of the messages that have so many blocks; of others, anything.
#[target_feature(enable = "avx512f")]
fn eight(messages: &[&[u8]; WIDTH], blocks: usize) -> [B256; WIDTH] {
    let mut states = [_mm512_setzero_si512(); 25];
    for block in 0..blocks {
        let mut lanes = [[0_i64; WIDTH]; RATE_LANES];
        for (place, message) in messages.iter().enumerate() {
            let rest = message.get(block * RATE..).unwrap_or_default();
            match rest.first_chunk() {
                Some(whole) => absorbed(whole, place, &mut lanes),
                None => absorbed(&padded(rest), place, &mut lanes),
            }
        }
        for (state, lane) in states.iter_mut().zip(lanes) {
            let [a, b, c, d, e, f, g, h] = lane;
            *state = _mm512_xor_si512(*state, _mm512_setr_epi64(a, b, c, d, e, f, g, h));
        }
        states = permuted(states);
    }
    hashes(&states)
}

/// Puts the lanes of one message's block in their place of the vectors.
fn absorbed(block: &[u8; RATE], place: usize, lanes: &mut [[i64; WIDTH]; RATE_LANES]) {
    let (words, _) = block.as_chunks();
    for (lane, word) in lanes.iter_mut().zip(words) {
        lane[place] = i64::from_le_bytes(*word);
    }
}

/// The last block of a message: what is left of it, a 1 bit, and a 1 bit at the end. Keccak as it
/// was submitted has no bits of domain between them, as FIPS 202 has.
fn padded(rest: &[u8]) -> [u8; RATE] {
    let mut block = [0; RATE];
    block[..rest.len()].copy_from_slice(rest);
    block[rest.len()] = 1;
    block[RATE - 1] |= 0x80;
    block
}

/// Keccak-f[1600] of eight states: 24 rounds of θ, ρ and π, χ, ι (FIPS 202, 3.3).
#[target_feature(enable = "avx512f")]
fn permuted(mut s: States) -> States {
    for constant in ROUND_CONSTANTS {
        let columns = [column(&s, 0), column(&s, 1), column(&s, 2), column(&s, 3), column(&s, 4)];
        // θ, ρ and π of the lane at `from`, in column x, rotated by `by`.
        macro_rules! moved {
            ($from:literal, $x:literal, $by:literal) => {{
                let (left, right) = (columns[($x + 4) % 5], columns[($x + 1) % 5]);
                _mm512_rol_epi64::<$by>(xor(s[$from], left, _mm512_rol_epi64::<1>(right)))
            }};
        }
        let rows = [
            [
                moved!(0, 0, 0),
                moved!(6, 1, 44),
                moved!(12, 2, 43),
                moved!(18, 3, 21),
                moved!(24, 4, 14),
            ],
            [
                moved!(3, 3, 28),
                moved!(9, 4, 20),
                moved!(10, 0, 3),
                moved!(16, 1, 45),
                moved!(22, 2, 61),
            ],
            [
                moved!(1, 1, 1),
                moved!(7, 2, 6),
                moved!(13, 3, 25),
                moved!(19, 4, 8),
                moved!(20, 0, 18),
            ],
            [
                moved!(4, 4, 27),
                moved!(5, 0, 36),
                moved!(11, 1, 10),
                moved!(17, 2, 15),
                moved!(23, 3, 56),
            ],
            [
                moved!(2, 2, 62),
                moved!(8, 3, 55),
                moved!(14, 4, 39),
                moved!(15, 0, 41),
                moved!(21, 1, 2),
            ],
        ];
        for (y, row) in rows.iter().enumerate() {
            s[5 * y] = chi(row[0], row[1], row[2]);
            s[5 * y + 1] = chi(row[1], row[2], row[3]);
            s[5 * y + 2] = chi(row[2], row[3], row[4]);
            s[5 * y + 3] = chi(row[3], row[4], row[0]);
            s[5 * y + 4] = chi(row[4], row[0], row[1]);
        }
        s[0] = _mm512_xor_si512(s[0], _mm512_set1_epi64(constant));
    }
    s
}

/// The parity of column `x`.
#[target_feature(enable = "avx512f")]
#[inline]
fn column(s: &States, x: usize) -> __m512i {
    xor(xor(s[x], s[x + 5], s[x + 10]), s[x + 15], s[x + 20])
}

#[target_feature(enable = "avx512f")]
#[inline]
fn xor(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi64::<0x96>(a, b, c)
}

/// The step χ: a ⊕ (¬b ∧ c).
#[target_feature(enable = "avx512f")]
#[inline]
fn chi(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi64::<0xd2>(a, b, c)
}

/// The first four lanes of each state.
#[target_feature(enable = "avx512f")]
fn hashes(states: &States) -> [B256; WIDTH] {
    let mut hashes = [B256::ZERO; WIDTH];
    for (lane, state) in states.iter().take(4).enumerate() {
        let (low, high) =
            (_mm512_extracti64x4_epi64::<0>(*state), _mm512_extracti64x4_epi64::<1>(*state));
        let words = [
            _mm256_extract_epi64::<0>(low),
            _mm256_extract_epi64::<1>(low),
            _mm256_extract_epi64::<2>(low),
            _mm256_extract_epi64::<3>(low),
            _mm256_extract_epi64::<0>(high),
            _mm256_extract_epi64::<1>(high),
            _mm256_extract_epi64::<2>(high),
            _mm256_extract_epi64::<3>(high),
        ];
        for (hash, word) in hashes.iter_mut().zip(words) {
            hash[8 * lane..8 * lane + 8].copy_from_slice(&word.to_le_bytes());
        }
    }
    hashes
}

/// Bit 2^j - 1 of a round's constant is the next bit of a shift register over x^8 + x^6 + x^5 +
/// x^4 + 1 (FIPS 202, algorithm 5).
const fn round_constants() -> [i64; 24] {
    let mut constants = [0; 24];
    let mut register = 1_u16;
    let mut round = 0;
    while round < constants.len() {
        let mut j = 0;
        while j < 7 {
            if register & 1 == 1 {
                constants[round] |= 1 << ((1 << j) - 1);
            }
            register <<= 1;
            if register >> 8 == 1 {
                register ^= 0x171;
            }
            j += 1;
        }
        round += 1;
    }
    constants
}
