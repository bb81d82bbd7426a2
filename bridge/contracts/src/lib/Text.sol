// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title Names and symbols of tokens: at most 32 bytes of printable UTF-8
/// @dev The text of strangers is shown in wallets, so what is malformed, invisible or turns the
/// direction of writing becomes "?". The text ends at the first zero byte.
library Text {
    /// @notice The printable form of the first `limit` (at most 32) bytes: left-aligned, zero-padded.
    /// Applying it twice changes nothing.
    function sanitise(bytes32 raw, uint256 limit) internal pure returns (bytes32 clean) {
        uint256 i;
        while (i < limit && raw[i] != 0) {
            (uint256 size, uint256 point) = _decode(raw, i, limit);
            if (size == 0) break; // a sequence that the limit cuts off
            if (_printable(point)) {
                for (uint256 end = i + size; i < end; ++i) {
                    clean |= bytes32(raw[i]) >> (8 * i);
                }
            } else {
                // One "?" a byte keeps every later byte where it is.
                for (uint256 end = i + size; i < end; ++i) {
                    clean |= bytes32(bytes1("?")) >> (8 * i);
                }
            }
        }
    }

    /// @notice Up to its first zero byte, as a string.
    function toString(bytes32 text) internal pure returns (string memory) {
        uint256 size;
        while (size < 32 && text[size] != 0) {
            ++size;
        }
        bytes memory out = new bytes(size);
        for (uint256 i; i < size; ++i) {
            out[i] = text[i];
        }
        return string(out);
    }

    /// @dev Reads one code point at `i`. A malformed byte has size 1 and the point 0, which is not
    /// printable; a sequence that reaches beyond the limit has size 0.
    function _decode(bytes32 raw, uint256 i, uint256 limit)
        private
        pure
        returns (uint256 size, uint256 point)
    {
        uint256 lead = uint8(raw[i]);
        if (lead < 0x80) return (1, lead);
        uint256 least;
        if (lead >= 0xc2 && lead <= 0xdf) (size, point, least) = (2, lead & 0x1f, 0x80);
        else if (lead >= 0xe0 && lead <= 0xef) (size, point, least) = (3, lead & 0x0f, 0x800);
        else if (lead >= 0xf0 && lead <= 0xf4) (size, point, least) = (4, lead & 0x07, 0x10000);
        else return (1, 0);
        for (uint256 k = 1; k < size; ++k) {
            if (i + k == limit) return (0, 0);
            uint256 next = uint8(raw[i + k]);
            if (next & 0xc0 != 0x80) return (1, 0);
            point = point << 6 | next & 0x3f;
        }
        bool surrogate = point >= 0xd800 && point <= 0xdfff;
        if (point < least || point > 0x10ffff || surrogate) return (1, 0);
    }

    /// @dev Not control characters, marks of direction, invisible spaces or the byte order mark.
    function _printable(uint256 point) private pure returns (bool) {
        if (point < 0x20 || point >= 0x7f && point < 0xa0) return false;
        if (point == 0xad || point == 0x61c || point == 0x180e || point == 0xfeff) return false;
        return !(point >= 0x200b && point <= 0x200f || point >= 0x2028 && point <= 0x202e
                || point >= 0x2060 && point <= 0x206f || point >= 0xe0000 && point <= 0xe0fff);
    }
}
