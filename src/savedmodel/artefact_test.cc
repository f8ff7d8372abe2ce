#include "savedmodel/artefact.h"

#include <doctest/doctest.h>

using crossload::savedmodel::Port;

TEST_CASE("shapes that a port takes") {
  const Port port{"ids:0", crossload::DType::kInt64, std::vector<int64_t>{-1, 7}};
  CHECK(port.takes({2, 7}));
  CHECK(port.takes({0, 7}));
  CHECK(!port.takes({7, 2}));
  CHECK(!port.takes({7}));
  CHECK(!port.takes({2, 7, 1}));
  CHECK(port.shape_text() == "[?, 7]");

  const Port scalar{"step:0", crossload::DType::kInt64, std::vector<int64_t>{}};
  CHECK(scalar.takes({}));
  CHECK(!scalar.takes({1}));
  CHECK(scalar.shape_text() == "[]");

  const Port any{"x:0", crossload::DType::kFloat32, std::nullopt};
  CHECK(any.takes({}));
  CHECK(any.takes({3, 4}));
  CHECK(any.shape_text() == "any shape");
}
