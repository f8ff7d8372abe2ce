// A result that is a folder: it appears whole or not at all, and files of others in it are kept.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/partial_folder.h"

namespace crossload {

/// The files of an earlier result at the target: paths below it with `/` between.
struct EarlierOutput {
  std::set<std::string> ours;        // as we wrote them
  std::vector<std::string> changed;  // written by us, and changed by somebody since
};

/// Reads which files of a folder are an earlier result's; nothing when the folder is none.
using ReadEarlierOutput = std::function<std::optional<EarlierOutput>(const std::filesystem::path&)>;

/// Throws `kBadInput` when `target` is `source`, holds it or lies in it. Links are followed.
void require_apart(const std::filesystem::path& target, const std::filesystem::path& source);

/// Collects files in a hidden folder beside the target, `.<name>.<pid>.partial`, and replaces the target by it at the
/// end. Destroyed without `commit` (an error, an interrupt thrown as one), it leaves the target as it was and removes
/// what was written. After a kill that cannot be caught the next run removes what is left, or puts back what the killed
/// run had set aside.
///
/// In a folder with an earlier result, the files of that result are replaced and all others kept: they are linked into
/// the new folder before the two are exchanged, so that each is in one of the two at any moment.
class OutputFolder {
 public:
  /// Throws `kBadInput` when `target` exists and may not be replaced. It may when it is empty, when `read_earlier`
  /// knows it and nobody changed those files, or with `force`. A folder that is no earlier result is then replaced
  /// whole. Throws `kEnvironment` when another run is writing there, or when the partial folder cannot be made. Missing
  /// parents of the target are made.
  OutputFolder(const std::filesystem::path& target, bool force, ReadEarlierOutput read_earlier = {});
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  /// Where to write.
  const std::filesystem::path& path() const { return partial_->path(); }
  const std::filesystem::path& target() const { return target_; }

  /// Throws `kEnvironment`, naming both numbers, when the file system has less than `bytes` free.
  void require_free_space(uint64_t bytes) const { partial_->require_free_space(bytes); }

  /// Replaces the target by the folder. The old target is whole until then: the two are exchanged in one step where the
  /// file system can. Throws `kBadInput` when somebody put something else at the target meanwhile, or when a file of
  /// somebody else has the name of a new one and `force` was not given; `kEnvironment` on other
  /// failures. The target is then as it was. When the files reach the disk is left to the system, as `cp` leaves it: a
  /// killed run loses nothing by that, and waiting would take longer than writing.
  void commit();

  /// Removes what was written, if it is not committed. The destructor does the same.
  void remove_partial_output() noexcept { partial_->remove(); }

 private:
  /// The files at the target that must be kept.
  std::optional<EarlierOutput> check_replaceable() const;

  std::filesystem::path target_;
  bool force_;
  ReadEarlierOutput read_earlier_;
  std::optional<FolderLock> lock_;
  std::optional<PartialFolder> partial_;
};

}  // namespace crossload
