// Read access to the entries of a zip archive, without copies where they are stored uncompressed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mapped_file.h"

namespace crossload {

/// Bytes of an entry and the owner that keeps them alive.
struct EntryBytes {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;

  std::string_view text() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
};

/// A zip archive whose directory is consistent: every entry lies inside the file, apart from all others, under a
/// relative name that occurs once and agrees with its local header.
class ZipArchive {
 public:
  /// Throws `kBadInput` for anything else, and for encrypted, split or otherwise compressed archives.
  static ZipArchive open(const std::string& path);
  static ZipArchive of(std::shared_ptr<const MappedFile> file);

  const std::string& path() const { return path_; }
  /// Bytes of the whole file.
  std::size_t size() const { return file_->bytes().size(); }
  /// Names in the order of the directory.
  std::vector<std::string_view> names() const;
  bool contains(std::string_view name) const { return by_name_.contains(name); }
  /// Stored entries point into the mapped file; deflated ones are decompressed and their checksum is verified.
  /// Throws `kBadInput` when there is no such entry or it cannot be decompressed.
  EntryBytes read(std::string_view name) const;
  /// As `read`, of an entry that must be stored uncompressed. Throws `kBadInput` for others.
  EntryBytes stored(std::string_view name) const;

 private:
  struct Entry {
    std::string_view name;
    uint64_t header_offset;
    uint64_t data_offset;
    uint64_t packed_size;
    uint64_t size;
    uint16_t method;
  };

  explicit ZipArchive(std::shared_ptr<const MappedFile> file) : path_(file->path().string()), file_(std::move(file)) {}
  const Entry& find(std::string_view name) const;
  void read_directory();
  void add_entry(Entry entry, uint64_t directory_offset);
  void check_apart(uint64_t directory_offset) const;
  EntryBytes inflate(std::size_t index) const;

  std::string path_;
  std::shared_ptr<const MappedFile> file_;
  std::vector<Entry> entries_;
  std::unordered_map<std::string_view, std::size_t> by_name_;
};

}  // namespace crossload
