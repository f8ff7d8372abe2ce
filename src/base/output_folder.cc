#include "base/output_folder.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string>
#include <system_error>

#include "base/error.h"

namespace crossload {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".partial";
constexpr std::string_view kMarker = "crossload.json";

int lock_folder(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd >= 0 && ::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ::close(fd);
    return -1;
  }
  return fd;
}

// Process ids alone do not tell: in containers they are reused at once, and another container's are not seen. So a live
// owner also holds a lock on its folder.
bool is_stale(const fs::path& folder, long pid) {
  const bool lives = ::kill(static_cast<pid_t>(pid), 0) == 0 || errno == EPERM;
  if (lives && pid != ::getpid()) return false;
  const int fd = lock_folder(folder);
  if (fd >= 0) ::close(fd);
  return fd >= 0;
}

// Removes `.<name>.<pid>[-<number>].partial` and `.<name>.<pid>.old.partial` of processes that are gone.
void remove_stale(const fs::path& parent, const std::string& name) {
  const std::string prefix = "." + name + ".";
  std::error_code ignored;
  for (fs::directory_iterator it(parent, ignored), end; it != end && !ignored; it.increment(ignored)) {
    const std::string file = it->path().filename().string();
    if (!file.starts_with(prefix) || !file.ends_with(kSuffix) || file.size() < prefix.size() + kSuffix.size()) continue;
    long pid = 0;
    const char* first = file.data() + prefix.size();
    const char* last = file.data() + file.size() - kSuffix.size();
    const auto [rest, error] = std::from_chars(first, last, pid);
    const std::string_view tail(rest, static_cast<std::size_t>(last - rest));
    if (error != std::errc() || pid <= 0 || !(tail.empty() || tail == ".old" || tail[0] == '-')) continue;
    if (!is_stale(it->path(), pid)) continue;
    std::error_code failed;
    fs::remove_all(it->path(), failed);
  }
}

[[noreturn]] void rename_failed(const fs::path& from, const fs::path& to, int reason) {
  fail(ErrorKind::kEnvironment, "{}: cannot be renamed to `{}`: {}", from.string(), to.string(), std::strerror(reason));
}

}  // namespace

PartialFolder::PartialFolder(const fs::path& parent, const std::string& name) {
  std::error_code error;
  fs::create_directories(parent, error);
  if (error) {
    fail(ErrorKind::kEnvironment, "{}: cannot be made: {}; give another place", parent.string(), error.message());
  }
  remove_stale(parent, name);
  // A second folder of the same process for the same target gets a number, written like a process's.
  for (int attempt = 0;; ++attempt) {
    path_ =
        parent / fmt::format(".{}.{}{}{}", name, ::getpid(), attempt == 0 ? "" : fmt::format("-{}", attempt), kSuffix);
    if (::mkdir(path_.c_str(), 0777) == 0) break;
    if (errno != EEXIST || attempt == 1000) {
      fail(ErrorKind::kEnvironment, "{}: cannot be made: {}; give another place", path_.string(), std::strerror(errno));
    }
  }
  lock_ = lock_folder(path_);
}

PartialFolder::~PartialFolder() { remove(); }

void PartialFolder::release() noexcept {
  path_.clear();
  if (lock_ >= 0) ::close(lock_);
  lock_ = -1;
}

void PartialFolder::remove() noexcept {
  if (path_.empty()) return;
  std::error_code ignored;
  fs::remove_all(path_, ignored);
  release();
}

void PartialFolder::require_free_space(uint64_t bytes) const {
  struct statvfs info {};
  if (::statvfs(path_.c_str(), &info) != 0) return;  // unknown: writing will tell
  const uint64_t free = static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
  if (free < bytes) {
    fail(ErrorKind::kEnvironment, "{}: has {} bytes free; the result needs {}; make room or give another place",
         path_.parent_path().string(), free, bytes);
  }
}

OutputFolder::OutputFolder(const fs::path& target, bool force) : force_(force) {
  target_ = fs::absolute(target).lexically_normal();
  if (!target_.has_filename()) target_ = target_.parent_path();  // `out/`
  if (target_ == target_.root_path()) bad_input("{}: cannot be replaced; give a folder below it", target.string());
  check_replaceable();
  partial_.emplace(target_.parent_path(), target_.filename().string());
}

void OutputFolder::check_replaceable() const {
  std::error_code error;
  const fs::file_status status = fs::symlink_status(target_, error);
  if (status.type() == fs::file_type::not_found) return;
  if (status.type() != fs::file_type::directory) {
    bad_input("{}: exists and is no folder; give another place or remove it", target_.string());
  }
  if (force_) return;
  const bool empty = fs::is_empty(target_, error);
  if (error) bad_input("{}: cannot be read: {}; give another place", target_.string(), error.message());
  if (empty || fs::is_regular_file(target_ / kMarker, error)) return;
  bad_input("{}: holds files that crossload did not write; give another place, or --force to replace it",
            target_.string());
}

void OutputFolder::commit() {
  if (path().empty()) internal_error("output folder: `{}` is committed or removed already", target_.string());
  check_replaceable();
  // Without a target a plain rename; it also replaces an empty folder in one step.
  if (::rename(path().c_str(), target_.c_str()) != 0) {
    if (errno != ENOTEMPTY && errno != EEXIST) rename_failed(path(), target_, errno);
    const fs::path parent = target_.parent_path();
    fs::path old = path();
    if (::renameat2(AT_FDCWD, path().c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) != 0) {
      // No exchange on this file system: two renames, and back again when the second fails.
      old = parent / fmt::format(".{}.{}.old{}", target_.filename().string(), ::getpid(), kSuffix);
      if (::rename(target_.c_str(), old.c_str()) != 0) rename_failed(target_, old, errno);
      if (::rename(path().c_str(), target_.c_str()) != 0) {
        const int reason = errno;
        static_cast<void>(::rename(old.c_str(), target_.c_str()));
        rename_failed(path(), target_, reason);
      }
    }
    std::error_code ignored;
    fs::remove_all(old, ignored);
  }
  partial_->release();
}

OutputFiles::OutputFiles(const fs::path& folder) : folder_(folder) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) bad_input("{}: is no folder; give one that exists", folder.string());
  partial_.emplace(folder, "crossload");
}

void OutputFiles::commit(const std::vector<std::string>& outdated) {
  if (path().empty()) internal_error("output files: those of `{}` are committed already", folder_.string());
  std::vector<fs::path> names;
  for (const auto& entry : fs::directory_iterator(path())) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end(), [](const fs::path& a, const fs::path& b) {
    return std::pair(a.extension() == ".json", a) < std::pair(b.extension() == ".json", b);
  });
  for (const fs::path& name : names) {
    if (::rename((path() / name).c_str(), (folder_ / name).c_str()) != 0) {
      rename_failed(path() / name, folder_ / name, errno);
    }
  }
  for (const std::string& name : outdated) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    std::error_code error;
    fs::remove(folder_ / name, error);
    if (error) {
      fail(ErrorKind::kEnvironment, "{}: cannot be removed: {}; remove it, the new weights are beside it",
           (folder_ / name).string(), error.message());
    }
  }
  partial_->remove();
}

}  // namespace crossload
