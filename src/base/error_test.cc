#include "base/error.h"

#include <doctest/doctest.h>

namespace crossload {

TEST_CASE("an error is one line, whatever names from files are in it") {
  const Error error(ErrorKind::kBadInput, "x.bin: tensor `a\n\x1b[31mb\x7f` is ünknown");
  CHECK(std::string(error.what()) == "x.bin: tensor `a??[31mb?` is ünknown");
}

}  // namespace crossload
