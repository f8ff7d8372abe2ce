// Text cases: files under tests/<folder> with cases one after another. For tests only.
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
#include <sstream>
#include <string>
#include <vector>

#include "base/error.h"

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

/// Compares every case with what `outcome` makes of its input; CROSSLOAD_BLESS=1 rewrites the files instead.
inline void run_text_cases(const std::string& folder,
                           const std::function<std::string(const TextCaseFile&, const TextCase&)>& outcome) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(CROSSLOAD_SOURCE_DIR) / folder)) {
    if (entry.path().extension() == ".txt") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  REQUIRE(!paths.empty());
  for (const auto& path : paths) {
    TextCaseFile file = TextCaseFile::read(path);
    REQUIRE(!file.cases.empty());
    for (TextCase& c : file.cases) {
      const std::string where = path.filename().string() + ": " + c.title;
      CAPTURE(where);
      std::string found;
      try {
        found = outcome(file, c);
      } catch (const Error& error) {
        found = std::string("error: ") + error.what() + "\n";
        for (const std::string& detail : error.details()) found += "  " + detail + "\n";
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
