// A safetensors file of given tensors.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "base/tensor.h"

namespace crossload {

inline void write_safetensors(const std::filesystem::path& file, const std::map<std::string, Tensor>& tensors) {
  std::string header = "{", data;
  for (const auto& [name, tensor] : tensors) {
    const std::size_t begin = data.size();
    data.append(reinterpret_cast<const char*>(tensor.bytes().data()), tensor.bytes().size());
    header += fmt::format("{}\"{}\":{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                          header.size() > 1 ? "," : "", name, safetensors_name_of(tensor.dtype()),
                          fmt::join(tensor.dims(), ","), begin, data.size());
  }
  header += "}";
  while (header.size() % 8 != 0) header += ' ';
  const uint64_t size = header.size();
  std::ofstream out(file, std::ios::binary);
  out.write(reinterpret_cast<const char*>(&size), 8);
  out << header << data;
}

}  // namespace crossload
