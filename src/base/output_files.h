// Results that are files in a folder which holds others.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/partial_folder.h"

namespace crossload {

/// Collects files in a hidden folder inside an existing one, and moves each to its final name at the end. Destroyed
/// without `commit`, it leaves the folder as it was.
///
/// An index, `x.index.json`, names files that belong together. It is never there while some of them are old and some
/// new: it is taken away before the first of them is replaced, and comes last. Once the files begin to move, the hidden
/// folder is called `.crossload.commit`; when the process is killed then, the next object for the folder moves the
/// rest.
class OutputFiles {
 public:
  /// Throws `kBadInput` when `folder` is none, `kEnvironment` when nothing can be written there or another run is
  /// writing there.
  explicit OutputFiles(const std::filesystem::path& folder);

  /// Where to write: plain files.
  const std::filesystem::path& path() const { return partial_->path(); }
  void require_free_space(uint64_t bytes) const { partial_->require_free_space(bytes); }

  /// Moves the files to their final names, replacing files that have them, JSON files last; then removes the files
  /// `outdated` (plain names), except those that were just written. Each file is whole at any moment. Throws
  /// `kEnvironment` when a folder has the name of a file, before anything is moved; or when moving fails half-way, and
  /// then the next object for the folder continues.
  void commit(const std::vector<std::string>& outdated = {});

 private:
  std::filesystem::path folder_;
  std::optional<FolderLock> lock_;
  std::optional<PartialFolder> partial_;
};

}  // namespace crossload
