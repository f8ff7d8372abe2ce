#include "base/partial_folder.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <functional>
#include <optional>
#include <string_view>
#include <system_error>

#include "base/error.h"

namespace crossload {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".partial";
constexpr std::string_view kSetAside = ".old";

int open_folder(const fs::path& folder) {
  return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

// False only when somebody else holds it.
bool lock(int fd) { return ::flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK; }

int lock_folder(const fs::path& folder) {
  const int fd = open_folder(folder);
  if (fd >= 0 && !lock(fd)) {
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

struct Leftover {
  fs::path path;
  bool was_set_aside;
};

// `.<name>.<pid>[-<number>].partial` and `.<name>.<pid>.old.partial` of processes that are gone.
void for_each_leftover(const fs::path& parent, const std::string& name,
                       const std::function<void(const Leftover&)>& use) {
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
    if (error != std::errc() || pid <= 0 || !(tail.empty() || tail == kSetAside || tail[0] == '-')) continue;
    if (is_stale(it->path(), pid)) use({it->path(), tail == kSetAside});
  }
}

}  // namespace

FolderLock::FolderLock(const fs::path& folder) : fd_(open_folder(folder)) {
  if (fd_ < 0 || lock(fd_)) return;
  ::close(fd_);
  fail(ErrorKind::kEnvironment, "{}: another run is writing there; wait until it is done, or choose another path",
       folder.string());
}

FolderLock::~FolderLock() {
  if (fd_ >= 0) ::close(fd_);
}

bool FolderLock::holds_for(const fs::path& folder) const {
  struct stat there {};
  if (::lstat(folder.c_str(), &there) != 0) return fd_ < 0 && errno == ENOENT;
  struct stat ours {};
  return fd_ >= 0 && ::fstat(fd_, &ours) == 0 && ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

PartialFolder::PartialFolder(const fs::path& parent, const std::string& name) {
  std::error_code error;
  fs::create_directories(parent, error);
  if (error) {
    fail(ErrorKind::kEnvironment, "{}: cannot be made: {}; choose another path", parent.string(), error.message());
  }
  for_each_leftover(parent, name, [](const Leftover& leftover) {
    std::error_code failed;
    fs::remove_all(leftover.path, failed);
  });
  // A second folder of the same process for the same target gets a number, written like a process's.
  for (int attempt = 0;; ++attempt) {
    path_ =
        parent / fmt::format(".{}.{}{}{}", name, ::getpid(), attempt == 0 ? "" : fmt::format("-{}", attempt), kSuffix);
    if (::mkdir(path_.c_str(), 0777) == 0) break;
    if (errno != EEXIST || attempt == 1000) {
      fail(ErrorKind::kEnvironment, "{}: cannot be made: {}; choose another path", path_.string(),
           std::strerror(errno));
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
    fail(ErrorKind::kEnvironment, "{}: has {} bytes free; the result needs {}; make room or choose another path",
         path_.parent_path().string(), free, bytes);
  }
}

fs::path set_aside(const fs::path& target) {
  return target.parent_path() / fmt::format(".{}.{}{}{}", target.filename().string(), ::getpid(), kSetAside, kSuffix);
}

void restore_set_aside(const fs::path& target) noexcept try {
  std::error_code ignored;
  for_each_leftover(target.parent_path(), target.filename().string(), [&](const Leftover& leftover) {
    // A plain rename would replace an empty folder too, which is no loss; anything else at the target stays.
    if (leftover.was_set_aside) static_cast<void>(::rename(leftover.path.c_str(), target.c_str()));
  });
} catch (...) {
  // What cannot be looked through is left as it is; the step that needs the target says that it is missing.
}

void rename_failed(const fs::path& from, const fs::path& to, int reason) {
  fail(ErrorKind::kEnvironment, "{}: cannot be renamed to `{}`: {}", from.string(), to.string(), std::strerror(reason));
}

}  // namespace crossload
