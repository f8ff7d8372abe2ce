// Results that appear whole or not at all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace crossload {

/// A hidden folder `.<name>.<pid>.partial` for a result in the making, gone with the object unless it was renamed. What
/// killed runs left there under the same name is removed first.
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

/// Collects files in a hidden folder beside the target, `.<name>.<pid>.partial`, and puts it in the target's place at
/// the end. Destroyed without `commit` (an error, an interrupt thrown as one), it leaves the target as it was and
/// removes what was written. After a kill that cannot be caught the next run removes the rest.
class OutputFolder {
 public:
  /// Throws `kBadInput` when `target` exists and may not be replaced: it may when it is an empty folder, a folder that
  /// crossload wrote (`crossload.json` lies in it), or with `force` any folder. Throws `kEnvironment` when the partial
  /// folder cannot be made. Missing parents of the target are made.
  OutputFolder(const std::filesystem::path& target, bool force);
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  /// Where to write.
  const std::filesystem::path& path() const { return partial_->path(); }
  const std::filesystem::path& target() const { return target_; }

  /// Throws `kEnvironment`, naming both numbers, when the file system has less than `bytes` free.
  void require_free_space(uint64_t bytes) const { partial_->require_free_space(bytes); }

  /// Puts the folder in the target's place. What stood there is whole until then: the two
  /// are exchanged in one step where the file system can. Throws `kEnvironment` on failure, `kBadInput` when somebody
  /// else put something in the target's place meanwhile; the target is then as it was.
  /// When the files reach the disk is left to the system, as `cp` leaves it: a killed run loses nothing by that, and
  /// waiting would take longer than writing.
  void commit();

  /// Removes what was written, if it is not committed. The destructor does the same.
  void remove_partial_output() noexcept { partial_->remove(); }

 private:
  void check_replaceable() const;

  std::filesystem::path target_;
  std::optional<PartialFolder> partial_;
  bool force_;
};

/// Collects files in a hidden folder inside an existing one, and puts each in its place there at the end. Destroyed
/// without `commit`, it leaves the folder as it was.
class OutputFiles {
 public:
  /// Throws `kBadInput` when `folder` is none, `kEnvironment` when nothing can be written there.
  explicit OutputFiles(const std::filesystem::path& folder);

  /// Where to write: plain files.
  const std::filesystem::path& path() const { return partial_->path(); }
  void require_free_space(uint64_t bytes) const { partial_->require_free_space(bytes); }

  /// Moves the files to their places, replacing others of their names, JSON files (which name others) last; then
  /// removes the files `outdated`, plain names, of those that were not just written. Each file is whole at any moment.
  /// Throws `kEnvironment`; files that were moved by then stay.
  void commit(const std::vector<std::string>& outdated = {});

 private:
  std::filesystem::path folder_;
  std::optional<PartialFolder> partial_;
};

}  // namespace crossload
