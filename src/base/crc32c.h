// CRC-32C (Castagnoli, RFC 3720 appendix B.4), the checksum of TensorFlow's checkpoints and of LevelDB's tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace crossload {

/// The checksum of `A B` where `crc` is that of `A` and `bytes` is `B`; start with 0. Uses SSE4.2 where the CPU has it.
uint32_t crc32c_extend(uint32_t crc, std::span<const std::byte> bytes);
inline uint32_t crc32c(std::span<const std::byte> bytes) { return crc32c_extend(0, bytes); }

/// The checksum of `A B` from those of `A` and of `B` and the size of `B`, so that blocks can be hashed in parallel.
uint32_t crc32c_combine(uint32_t first, uint32_t second, uint64_t second_size);

/// The form in which LevelDB and TensorFlow store a checksum, so that a checksum of checksums stays meaningful.
constexpr uint32_t mask_crc32c(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }

/// As `crc32c_extend`, always without SSE4.2. For tests.
uint32_t crc32c_extend_portable(uint32_t crc, std::span<const std::byte> bytes);

}  // namespace crossload
