// A new file, written in any order.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace crossload {

/// Every failure throws `kEnvironment` with the path and the system's reason; a full disk says how much was needed.
class OutputFile {
 public:
  /// Makes the file. REQUIRES: there is none.
  explicit OutputFile(std::filesystem::path path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// Gives the file its size, and claims the space on the disk where the file system can.
  void reserve(std::size_t size);
  /// May be called from several threads at once.
  void write_at(std::size_t offset, std::span<const std::byte> bytes);
  /// Closes the file; some write errors show only here.
  void close();

 private:
  [[noreturn]] void failed(const char* what, int reason) const;

  std::filesystem::path path_;
  int fd_;
};

}  // namespace crossload
