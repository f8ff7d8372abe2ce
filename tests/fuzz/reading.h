// What every fuzz target asks of a reader: that it gives sound tensors, or an error that a user can act on.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

#include "base/error.h"
#include "checkpoint/formats.h"

namespace crossload {

/// Runs a reader and lets through only the errors that bad input may lead to, each of one line.
template <typename Read>
int read_or_refuse(Read read) {
  try {
    read();
  } catch (const Error& error) {
    const bool may_be = error.kind() == ErrorKind::kBadInput || error.kind() == ErrorKind::kUnsupported;
    if (may_be && std::string_view(error.what()).find('\n') == std::string_view::npos) return 0;
    fmt::print(stderr, "no error for a user: {}\n", error.what());
    std::abort();
  }
  return 0;
}

/// Reads weights, and then every byte of those that are not blown up by strides.
inline int read_weights(const uint8_t* data, std::size_t size, Checkpoint (*read)(const WeightFile&)) {
  constexpr int64_t kMost = 1 << 22;
  return read_or_refuse([&] {
    const Checkpoint checkpoint = read(MappedFile::of_bytes(std::as_bytes(std::span(data, size)), "input"));
    unsigned sum = 0;
    for (const Checkpoint::Entry& entry : checkpoint.entries()) {
      if (element_count(entry.dims) > kMost) continue;
      const Tensor tensor = checkpoint.tensor(entry.name);
      for (const std::byte b : tensor.bytes()) sum += static_cast<unsigned>(b);
    }
    [[maybe_unused]] volatile unsigned kept = sum;
  });
}

}  // namespace crossload
