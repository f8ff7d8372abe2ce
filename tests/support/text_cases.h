// Text cases: files under tests/<folder>. A file is one case, parted by a line `---`, or has cases one after another:
//
//   # what the file is about
//   == title of a case
//   input
//   --
//   what it becomes
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "support/errors.h"
#include "support/temp_folder.h"

namespace crossload {

struct TextCase {
  std::string title, input, expected;
};

struct TextCaseFile {
  std::filesystem::path path;
  std::string preamble;
  std::vector<TextCase> cases;

  static TextCaseFile read(const std::filesystem::path& path) {
    TextCaseFile file{path, {}, {}};
    std::ifstream in(path);
    std::string* part = &file.preamble;
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with("== ")) {
        file.cases.push_back({line.substr(3), {}, {}});
        part = &file.cases.back().input;
      } else if (line == "--" && !file.cases.empty()) {
        part = &file.cases.back().expected;
      } else {
        *part += line + "\n";
      }
    }
    return file;
  }

  void write() const {
    std::ofstream out(path);
    out << preamble;
    for (const TextCase& c : cases) out << "== " << c.title << "\n" << c.input << "--\n" << c.expected;
  }
};

/// The .txt files of a folder of the sources, in order; there are some.
inline std::vector<std::filesystem::path> text_case_files(const std::string& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(CROSSLOAD_SOURCE_DIR) / folder)) {
    if (entry.path().extension() == ".txt") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  REQUIRE(!paths.empty());
  return paths;
}

/// A file that is one case.
inline TextCase read_single_case(const std::filesystem::path& path) {
  const std::string text = read_bytes(path);
  const std::size_t rule = text.find("\n---\n");
  REQUIRE(rule != text.npos);
  return {path.stem().string(), text.substr(0, rule + 1), text.substr(rule + 5)};
}

/// Compares what was found with what the file, one case, expects; CROSSLOAD_BLESS=1 rewrites the file instead.
inline void compare_single_case(const std::filesystem::path& path, const TextCase& text, const std::string& found) {
  if (std::getenv("CROSSLOAD_BLESS")) {
    std::ofstream(path) << text.input << "---\n" << found;
  } else {
    CHECK(found == text.expected);
  }
}

/// Compares every case with what `outcome` makes of its input; CROSSLOAD_BLESS=1 rewrites the files instead.
inline void run_text_cases(const std::string& folder,
                           const std::function<std::string(const TextCaseFile&, const TextCase&)>& outcome) {
  for (const auto& path : text_case_files(folder)) {
    TextCaseFile file = TextCaseFile::read(path);
    REQUIRE(!file.cases.empty());
    for (TextCase& c : file.cases) {
      const std::string where = path.filename().string() + ": " + c.title;
      CAPTURE(where);
      std::string found;
      try {
        found = outcome(file, c);
      } catch (const Error& error) {
        found = text_of(error);
      }
      if (std::getenv("CROSSLOAD_BLESS")) {
        c.expected = found + "\n";
      } else {
        CHECK(found + "\n" == c.expected);
      }
    }
    if (std::getenv("CROSSLOAD_BLESS")) file.write();
  }
}

}  // namespace crossload
