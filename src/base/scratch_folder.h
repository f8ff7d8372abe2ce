// A temporary folder for the run.
#pragma once

#include <filesystem>
#include <string>

namespace crossload {

/// `<parent>/<prefix>.<pid>.<random>`, removed by the destructor unless it is kept. Folders that killed runs left under
/// the same prefix are removed first.
class ScratchFolder {
 public:
  /// Makes missing parents. Throws `kEnvironment`.
  ScratchFolder(const std::filesystem::path& parent, const std::string& prefix);
  /// In the system's folder for temporary files.
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(ScratchFolder&& other) noexcept;
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  /// Removes what killed runs left in the system's folder for temporary files; for runs that make nothing there.
  static void remove_stale();

  const std::filesystem::path& path() const { return path_; }
  /// Gives the folder the name `target`, in the same parent, and leaves it there; what stands at `target` is replaced.
  /// False when that cannot be: it stays scratch.
  bool keep_as(const std::filesystem::path& target) noexcept;

 private:
  void release() noexcept;

  std::filesystem::path path_;
  int lock_ = -1;  // tells a live owner from one that was killed
};

}  // namespace crossload
