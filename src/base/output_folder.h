// A result folder that appears whole or not at all.
#pragma once

#include <cstdint>
#include <filesystem>

namespace crossload {

/// Collects files in a hidden folder beside the target, `.<name>.<pid>.partial`, and puts it in the target's place at
/// the end. Destroyed without `commit` (an error, an interrupt thrown as one), it leaves the target as it was and
/// removes what was written. After a kill that cannot be caught the next run removes the rest.
class OutputFolder {
 public:
  /// Throws `kBadInput` when `target` exists and may not be replaced: it may when it is an empty folder, a folder that
  /// crossload wrote (`crossload.json` lies in it), or with `force` any folder. Throws `kEnvironment` when the partial
  /// folder cannot be made. Missing parents of the target are made.
  OutputFolder(const std::filesystem::path& target, bool force);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  /// Where to write.
  const std::filesystem::path& path() const { return partial_; }
  const std::filesystem::path& target() const { return target_; }

  /// Throws `kEnvironment`, naming both numbers, when the file system has less than `bytes` free.
  void require_free_space(uint64_t bytes) const;

  /// Puts the folder in the target's place. What stood there is whole until then: the two
  /// are exchanged in one step where the file system can. Throws `kEnvironment` on failure, `kBadInput` when somebody
  /// else put something in the target's place meanwhile; the target is then as it was.
  /// When the files reach the disk is left to the system, as `cp` leaves it: a killed run loses nothing by that, and
  /// waiting would take longer than writing.
  void commit();

  /// Removes what was written, if it is not committed. The destructor does the same.
  void remove_partial_output() noexcept;

 private:
  void check_replaceable() const;
  void unlock() noexcept;

  std::filesystem::path target_;
  std::filesystem::path partial_;
  bool force_;
  int lock_ = -1;  // held on the partial folder while it is in use
  bool done_ = false;
};

}  // namespace crossload
