// The reader takes a path: the input lies in a file that is in memory only.
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "program/program.h"
#include "reading.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  static const int fd = ::memfd_create("input", 0);
  static const std::string path = "/proc/self/fd/" + std::to_string(fd);
  if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, data, size, 0) != static_cast<ssize_t>(size)) std::abort();
  return crossload::read_or_refuse([&] { (void)crossload::program::read_pt2(path); });
}
