// For tests: archives in text files.
#pragma once

#include "base/test_file.h"

namespace crossload::program {

/// An archive in a text file of tests/program: a comment line, then for each entry a line `@ name` and its content (for
/// tensors their float32 values), a line `---`, and what is expected.
struct TextCase {
  std::string input;
  std::string expected;

  static TextCase read(const std::filesystem::path& file) {
    std::stringstream content;
    content << std::ifstream(file).rdbuf();
    const std::string text = content.str();
    const std::size_t rule = text.find("\n---\n");
    REQUIRE(rule != text.npos);
    return {text.substr(0, rule + 1), text.substr(rule + 5)};
  }

  Entries entries() const {
    Entries result;
    std::stringstream lines(input);
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
};

}  // namespace crossload::program
