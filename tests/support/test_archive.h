// Archives in text files.
#pragma once

#include <filesystem>
#include <sstream>
#include <string>

#include "support/test_file.h"
#include "support/text_cases.h"

namespace crossload {

/// The archive that a file of tests/program is: a comment line, then for each entry a line `@ name` and its content
/// (for tensors their float32 values).
inline Entries archive_entries(const std::string& text) {
  Entries result;
  std::stringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("@ ")) {
      result.emplace_back(line.substr(2), "");
    } else if (!result.empty()) {
      result.back().second += line + "\n";
    }
  }
  for (auto& [name, bytes] : result) {
    if (name.find("/weight_") == name.npos && name.find("/tensor_") == name.npos) continue;
    std::stringstream values(bytes);
    bytes.clear();
    for (float value = 0; values >> value;) bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  return result;
}

}  // namespace crossload
