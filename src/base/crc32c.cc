// A checksum is the remainder of the message, read as a polynomial over GF(2), by
// P = x^32 + x^28 + x^27 + x^26 + x^25 + x^23 + x^22 + x^20 + x^19 + x^18 + x^14 + x^13 + x^11 + x^10 + x^9 + x^8 + x^6
//   + 1,
// with bit 31 of a word standing for x^0 (bits reflected), the register inverted before and after. Appending n zero
// bytes multiplies the remainder by x^(8n) mod P; the remainder is linear. So
//   crc(A B) = crc(A) * x^(8 |B|) + crc(B),
// which joins checksums of blocks, and lets one core run three streams: the crc32 instruction takes three cycles but
// one can start in each.
#include "base/crc32c.h"

#include <array>
#include <cstring>

namespace crossload {
namespace {

constexpr uint32_t kPolynomial = 0x82f63b78u;
constexpr uint32_t kOne = 0x80000000u;  // x^0
constexpr uint32_t kX = 0x40000000u;    // x^1

constexpr uint32_t multiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (uint32_t bit = kOne; bit != 0; bit >>= 1) {
    if (a & bit) product ^= b;
    b = (b & 1) ? (b >> 1) ^ kPolynomial : b >> 1;
  }
  return product;
}

// x^(8 n) mod P.
constexpr uint32_t zeros(uint64_t n) {
  uint32_t power = kX;
  for (int i = 0; i < 3; ++i) power = multiply(power, power);
  uint32_t result = kOne;
  for (; n != 0; n >>= 1) {
    if (n & 1) result = multiply(power, result);
    power = multiply(power, power);
  }
  return result;
}

using ByteTable = std::array<std::array<uint32_t, 256>, 8>;

// tables[k][v]: the register after byte v and k zero bytes.
constexpr ByteTable make_byte_tables() {
  ByteTable tables{};
  for (uint32_t v = 0; v < 256; ++v) {
    uint32_t crc = v;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) ? (crc >> 1) ^ kPolynomial : crc >> 1;
    tables[0][v] = crc;
  }
  for (uint32_t v = 0; v < 256; ++v) {
    for (std::size_t k = 1; k < 8; ++k) tables[k][v] = (tables[k - 1][v] >> 8) ^ tables[0][tables[k - 1][v] & 0xff];
  }
  return tables;
}

constexpr ByteTable kByteTables = make_byte_tables();

uint64_t load8(const std::byte* p) {
  uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

uint32_t portable(uint32_t state, const std::byte* p, std::size_t size) {
  const auto& t = kByteTables;
  for (; size >= 8; p += 8, size -= 8) {
    const uint64_t word = load8(p) ^ state;
    state = t[7][word & 0xff] ^ t[6][(word >> 8) & 0xff] ^ t[5][(word >> 16) & 0xff] ^ t[4][(word >> 24) & 0xff] ^
            t[3][(word >> 32) & 0xff] ^ t[2][(word >> 40) & 0xff] ^ t[1][(word >> 48) & 0xff] ^ t[0][word >> 56];
  }
  for (; size > 0; ++p, --size) state = (state >> 8) ^ t[0][(state ^ static_cast<uint32_t>(*p)) & 0xff];
  return state;
}

#if defined(__x86_64__)

// Multiplies a register by the constant x^(8 kBytes), one table look-up a byte.
template <std::size_t kBytes>
class Shift {
 public:
  static uint32_t apply(uint32_t state) {
    static const Shift shift;
    return shift.tables_[0][state & 0xff] ^ shift.tables_[1][(state >> 8) & 0xff] ^
           shift.tables_[2][(state >> 16) & 0xff] ^ shift.tables_[3][state >> 24];
  }

 private:
  Shift() {
    const uint32_t factor = zeros(kBytes);
    for (uint32_t k = 0; k < 4; ++k) {
      for (uint32_t v = 0; v < 256; ++v) tables_[k][v] = multiply(factor, v << (8 * k));
    }
  }

  std::array<std::array<uint32_t, 256>, 4> tables_;
};

template <std::size_t kBytes>
__attribute__((target("sse4.2"))) uint32_t three_streams(uint32_t state, const std::byte*& p, std::size_t& size) {
  while (size >= 3 * kBytes) {
    uint64_t a = state, b = 0, c = 0;
    for (std::size_t i = 0; i < kBytes; i += 8) {
      a = __builtin_ia32_crc32di(a, load8(p + i));
      b = __builtin_ia32_crc32di(b, load8(p + i + kBytes));
      c = __builtin_ia32_crc32di(c, load8(p + i + 2 * kBytes));
    }
    state = Shift<kBytes>::apply(static_cast<uint32_t>(a)) ^ static_cast<uint32_t>(b);
    state = Shift<kBytes>::apply(state) ^ static_cast<uint32_t>(c);
    p += 3 * kBytes;
    size -= 3 * kBytes;
  }
  return state;
}

__attribute__((target("sse4.2"))) uint32_t accelerated(uint32_t state, const std::byte* p, std::size_t size) {
  state = three_streams<4096>(state, p, size);
  state = three_streams<256>(state, p, size);
  uint64_t wide = state;
  for (; size >= 8; p += 8, size -= 8) wide = __builtin_ia32_crc32di(wide, load8(p));
  state = static_cast<uint32_t>(wide);
  for (; size > 0; ++p, --size) state = __builtin_ia32_crc32qi(state, static_cast<unsigned char>(*p));
  return state;
}

bool has_sse42() {
  static const bool has = __builtin_cpu_supports("sse4.2") != 0;
  return has;
}

#endif

}  // namespace

uint32_t crc32c_extend_portable(uint32_t crc, std::span<const std::byte> bytes) {
  return ~portable(~crc, bytes.data(), bytes.size());
}

uint32_t crc32c_extend(uint32_t crc, std::span<const std::byte> bytes) {
#if defined(__x86_64__)
  if (has_sse42()) return ~accelerated(~crc, bytes.data(), bytes.size());
#endif
  return crc32c_extend_portable(crc, bytes);
}

uint32_t crc32c_combine(uint32_t first, uint32_t second, uint64_t second_size) {
  return multiply(zeros(second_size), first) ^ second;
}

}  // namespace crossload
