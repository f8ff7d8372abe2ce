#include "base/scratch_folder.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/error.h"

namespace crossload {
namespace fs = std::filesystem;

namespace {

constexpr const char* kPrefix = "crossload";

int lock_folder(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd >= 0 && ::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    ::close(fd);
    return -1;
  }
  return fd;
}

// Of processes that are gone. A live one elsewhere, in a container that shares the folder, holds its lock.
void remove_stale_in(const fs::path& parent, const std::string& prefix) {
  std::error_code ignored;
  for (fs::directory_iterator it(parent, ignored), end; it != end && !ignored; it.increment(ignored)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with(prefix + ".")) continue;
    long pid = 0;
    const auto [rest, error] = std::from_chars(name.data() + prefix.size() + 1, name.data() + name.size(), pid);
    if (error != std::errc() || pid <= 0 || *rest != '.') continue;
    if (::kill(static_cast<pid_t>(pid), 0) == 0 || errno == EPERM) continue;
    const int fd = lock_folder(it->path());
    if (fd < 0) continue;
    std::error_code failed;
    fs::remove_all(it->path(), failed);
    ::close(fd);
  }
}

}  // namespace

ScratchFolder::ScratchFolder() : ScratchFolder(fs::temp_directory_path(), kPrefix) {}

void ScratchFolder::remove_stale() {
  std::error_code error;
  const fs::path parent = fs::temp_directory_path(error);
  if (!error) remove_stale_in(parent, kPrefix);
}

ScratchFolder::ScratchFolder(const fs::path& parent, const std::string& prefix) {
  std::error_code error;
  fs::create_directories(parent, error);
  remove_stale_in(parent, prefix);
  std::string pattern = (parent / fmt::format("{}.{}.XXXXXX", prefix, ::getpid())).string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    fail(ErrorKind::kEnvironment, "{}: no folder can be made there ({}); check space and permissions", parent.string(),
         std::strerror(errno));
  }
  path_ = pattern;
  lock_ = lock_folder(path_);
}

ScratchFolder::ScratchFolder(ScratchFolder&& other) noexcept
    : path_(std::exchange(other.path_, {})), lock_(std::exchange(other.lock_, -1)) {}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
  release();
}

void ScratchFolder::release() noexcept {
  path_.clear();
  if (lock_ >= 0) ::close(lock_);
  lock_ = -1;
}

bool ScratchFolder::keep_as(const fs::path& target) noexcept {
  std::error_code failed;
  fs::remove_all(target, failed);
  fs::rename(path_, target, failed);
  if (failed) return false;
  release();
  return true;
}

}  // namespace crossload
