// Folders in the making, and who may write where.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace crossload {

/// One writer at a time: held on an existing folder, by a lock that ends with the process. File systems without such
/// locks let everybody in.
class FolderLock {
 public:
  /// Throws `kEnvironment` when another run holds it. A folder that does not exist is not locked.
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  /// Whether the folder that was locked, or the absence of one, is still what stands at that path.
  bool holds_for(const std::filesystem::path& folder) const;

 private:
  int fd_ = -1;
};

/// A hidden folder `.<name>.<pid>.partial` for a result in the making, removed by the destructor unless it was renamed.
/// What killed runs left under the same name is removed first.
class PartialFolder {
 public:
  /// Throws `kEnvironment` when the folder cannot be made. Missing parents are made.
  PartialFolder(const std::filesystem::path& parent, const std::string& name);
  ~PartialFolder();
  PartialFolder(const PartialFolder&) = delete;
  PartialFolder& operator=(const PartialFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// Throws `kEnvironment`, naming both numbers, when the file system has less than `bytes` free.
  void require_free_space(uint64_t bytes) const;
  /// The folder was renamed: nothing is removed any more.
  void release() noexcept;
  void remove() noexcept;

 private:
  std::filesystem::path path_;  // empty: released or removed
  int lock_ = -1;               // held on the folder while it is in use
};

/// Where a folder waits that is being replaced on a file system that cannot exchange two in one step.
std::filesystem::path set_aside(const std::filesystem::path& target);

/// Puts a folder back that a killed run had set aside and not replaced any more. No effect where `target` exists.
void restore_set_aside(const std::filesystem::path& target) noexcept;

/// Throws `kEnvironment`, saying which rename failed and why.
[[noreturn]] void rename_failed(const std::filesystem::path& from, const std::filesystem::path& to, int reason);

}  // namespace crossload
