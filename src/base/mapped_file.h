// A file mapped read-only into memory.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

namespace crossload {

class MappedFile {
 public:
  /// Maps the whole file. Throws `kBadInput` when it is missing, no regular file or unreadable.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  /// A copy of `bytes` instead of a file; `name` is its name in messages.
  static std::shared_ptr<const MappedFile> of_bytes(std::span<const std::byte> bytes,
                                                    const std::filesystem::path& name);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  MappedFile(std::filesystem::path path, std::span<const std::byte> bytes, std::unique_ptr<std::byte[]> copy)
      : path_(std::move(path)), bytes_(bytes), copy_(std::move(copy)) {}

  std::filesystem::path path_;
  std::span<const std::byte> bytes_;
  std::unique_ptr<std::byte[]> copy_;  // null: mapped
};

}  // namespace crossload
