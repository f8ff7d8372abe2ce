#include "base/crc32c.h"

#include <doctest/doctest.h>

#include <string_view>
#include <vector>

namespace crossload {
namespace {

std::vector<std::byte> counting(std::size_t size, int start, int step) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(start + static_cast<int>(i) * step);
  return bytes;
}

std::vector<std::byte> noise(std::size_t size) {
  std::vector<std::byte> bytes(size);
  uint32_t seed = 1;
  for (auto& b : bytes) {
    seed = seed * 1664525u + 1013904223u;
    b = static_cast<std::byte>(seed >> 24);
  }
  return bytes;
}

TEST_CASE("crc32c gives the values of RFC 3720, appendix B.4") {
  CHECK(crc32c(counting(32, 0, 0)) == 0x8a9136aau);
  CHECK(crc32c(counting(32, 0xff, 0)) == 0x62a8ab43u);
  CHECK(crc32c(counting(32, 0, 1)) == 0x46dd794eu);
  CHECK(crc32c(counting(32, 31, -1)) == 0x113fdb5cu);
  const unsigned char command[48] = {0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0, 0, 0, 0,
                                     0x14, 0,    0, 0, 0, 0, 4, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18,
                                     0x28, 0,    0, 0, 0, 0, 0, 0, 2, 0, 0, 0,    0, 0, 0, 0};
  CHECK(crc32c(std::as_bytes(std::span(command))) == 0xd9963a56u);
}

TEST_CASE("crc32c of the check string, and masked as LevelDB does it") {
  const std::string_view digits = "123456789";
  const uint32_t crc = crc32c(std::as_bytes(std::span(digits)));
  CHECK(crc == 0xe3069283u);
  // LevelDB, crc32c.h: rotate right by 15 bits and add a constant.
  CHECK(mask_crc32c(0) == 0xa282ead8u);
  CHECK(mask_crc32c(0x00008000u) == 0xa282ead9u);
}

TEST_CASE("crc32c with and without SSE4.2 agree at all sizes and alignments") {
  const auto bytes = noise(40000);
  for (std::size_t size : {0, 1, 7, 8, 9, 63, 767, 768, 769, 2000, 12287, 12288, 12289, 39000}) {
    for (std::size_t start : {0, 1, 5}) {
      const std::span<const std::byte> part = std::span<const std::byte>(bytes).subspan(start, size);
      CHECK(crc32c_extend(0x1234u, part) == crc32c_extend_portable(0x1234u, part));
    }
  }
}

TEST_CASE("crc32c of parts joins to that of the whole") {
  const auto bytes = noise(30000);
  const std::span<const std::byte> all(bytes);
  const uint32_t whole = crc32c(all);
  for (std::size_t cut : {0, 1, 8, 4096, 12345, 29999, 30000}) {
    const uint32_t a = crc32c(all.first(cut));
    CHECK(crc32c_extend(a, all.subspan(cut)) == whole);
    CHECK(crc32c_combine(a, crc32c(all.subspan(cut)), all.size() - cut) == whole);
  }
}

TEST_CASE("crc32c_combine holds beyond 4 GiB: x has period 2^31 - 1 modulo the polynomial") {
  // The period counts bits, so 2^31 - 1 bytes are eight periods.
  const uint64_t period = (uint64_t{1} << 31) - 1;
  for (uint64_t size : {uint64_t{5}, uint64_t{1} << 20}) {
    CHECK(crc32c_combine(0xdeadbeefu, 7, size) == crc32c_combine(0xdeadbeefu, 7, size + period));
    CHECK(crc32c_combine(0xdeadbeefu, 7, size) == crc32c_combine(0xdeadbeefu, 7, size + 6 * period));
  }
}

}  // namespace
}  // namespace crossload
