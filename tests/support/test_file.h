// Files of a test's own, zip archives written with libzip, which the reader under test uses for nothing but
// inflating, and errors as text.
#pragma once

#include <doctest/doctest.h>
#include <zip.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/errors.h"
#include "support/temp_folder.h"

namespace crossload {

using Entries = std::vector<std::pair<std::string, std::string>>;

/// A path in a folder of its own, removed at the end of the test.
class TestFile {
 public:
  explicit TestFile(std::string_view name = "x.pt2") { path_ = (folder_.path / name).string(); }
  TestFile(std::string_view name, std::string_view bytes) : TestFile(name) { write(bytes); }

  const std::string& path() const { return path_; }
  void write(std::string_view bytes) const { write_bytes(path_, bytes); }
  std::string bytes() const { return read_bytes(path_); }
  void write_zip(const Entries& entries, bool compressed = false) const {
    std::filesystem::remove(path_);
    zip_t* const zip = zip_open(path_.c_str(), ZIP_CREATE, nullptr);
    REQUIRE(zip != nullptr);
    for (const auto& [name, bytes] : entries) {
      zip_source_t* const source = zip_source_buffer(zip, bytes.data(), bytes.size(), 0);
      const zip_int64_t index = zip_file_add(zip, name.c_str(), source, 0);
      REQUIRE(index >= 0);
      zip_set_file_compression(zip, static_cast<zip_uint64_t>(index), compressed ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0);
    }
    REQUIRE(zip_close(zip) == 0);
  }

 private:
  TempFolder folder_;
  std::string path_;
};

inline std::string replaced(std::string text, std::string_view from, std::string_view to) {
  std::size_t count = 0;
  for (std::size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
    ++count;
  }
  REQUIRE(count > 0);
  return text;
}

/// What `action` throws, without the file's path; fails the test when it throws nothing.
template <typename F>
std::string error_from(const std::string& path, F action, ErrorKind kind = ErrorKind::kBadInput) {
  std::string text = message_of(kind, action);
  CHECK(text != "no error");
  const std::size_t at = text.find(path);
  if (at != text.npos) text.replace(at, path.size(), "x.pt2");
  return text;
}

inline bool has(const std::string& text, std::string_view part) {
  const bool found = text.find(part) != text.npos;
  if (!found) MESSAGE(text);
  return found;
}

}  // namespace crossload
