#include "base/zip_archive.h"

#include "support/test_file.h"

namespace crossload {
namespace {

std::string open_error(const TestFile& file) {
  return error_from(file.path(), [&] { ZipArchive::open(file.path()); });
}

// Overwrites `size` bytes of a little-endian number.
void patch(std::string& bytes, std::size_t at, uint64_t value, std::size_t size) {
  std::memcpy(bytes.data() + at, &value, size);
}

TEST_CASE("stored entries are views into the file") {
  const TestFile file;
  file.write_zip({{"x/a", "first"}, {"x/b", std::string(1000, 'b')}, {"x/empty", ""}});
  const ZipArchive archive = ZipArchive::open(file.path());
  CHECK(archive.names() == std::vector<std::string_view>{"x/a", "x/b", "x/empty"});
  CHECK(archive.read("x/a").text() == "first");
  CHECK(archive.read("x/b").text() == std::string(1000, 'b'));
  CHECK(archive.read("x/empty").text().empty());
  CHECK(archive.read("x/a").text().data() == archive.read("x/a").text().data());
  CHECK(error_from(file.path(), [&] { archive.read("x/c"); }) ==
        "x.pt2 @ x/c: no such entry among 3; the archive is incomplete, save it again");
}

TEST_CASE("deflated entries are decompressed and their checksum is verified") {
  const TestFile file;
  std::string text;
  for (int i = 0; i < 400000; ++i) text += std::to_string(i);
  file.write_zip({{"x/a", text}}, true);
  CHECK(ZipArchive::open(file.path()).read("x/a").text() == text);

  std::string bytes = file.bytes();
  bytes[5000] = static_cast<char>(bytes[5000] ^ 0x55);
  file.write(bytes);
  CHECK(has(error_from(file.path(), [&] { ZipArchive::open(file.path()).read("x/a"); }), "the file is damaged"));
}

TEST_CASE("bad-archive: a compressed entry where a stored one is needed") {
  const TestFile file;
  file.write_zip({{"x/a", std::string(1000, 'a')}}, true);
  const ZipArchive archive = ZipArchive::open(file.path());
  CHECK(has(error_from(file.path(), [&] { archive.stored("x/a"); }), "must be stored as its 1000"));
  file.write_zip({{"x/a", "first"}});
  CHECK(ZipArchive::open(file.path()).stored("x/a").text() == "first");
}

TEST_CASE("bad-archive: what is no zip file") {
  CHECK(has(open_error(TestFile("x.pt2", "")), "x.pt2 @ 0x0: 0 bytes are no zip archive"));
  CHECK(has(open_error(TestFile("x.pt2", "PK\3\4")), "4 bytes are no zip archive"));
  CHECK(has(open_error(TestFile("x.pt2", std::string(100000, 'x'))), "no end record in the last 65557 bytes"));
}

TEST_CASE("bad-archive: truncated anywhere") {
  const TestFile file;
  file.write_zip({{"x/a", "first"}, {"x/b", std::string(100, 'b')}});
  const std::string bytes = file.bytes();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    file.write(bytes.substr(0, size));
    CHECK_THROWS_AS(ZipArchive::open(file.path()), Error);
  }
  for (std::size_t skip = 1; skip < bytes.size(); ++skip) {
    file.write(bytes.substr(skip));
    CHECK_THROWS_AS(ZipArchive::open(file.path()), Error);
  }
}

TEST_CASE("bad-archive: names that leave the archive") {
  for (const char* name : {"/etc/passwd", "../x", "x/../../y", "x/..", "C:/x", "x\\..\\y"}) {
    const TestFile file;
    file.write_zip({{name, "content"}});
    CHECK(has(open_error(file), "the entry's name leaves the archive; do not use this file"));
  }
}

TEST_CASE("bad-archive: an entry twice") {
  const TestFile file;
  file.write_zip({{"x/a1", "one"}, {"x/a2", "two"}});
  file.write(replaced(file.bytes(), "x/a2", "x/a1"));
  CHECK(open_error(file) == "x.pt2 @ x/a1: the entry occurs twice; do not use this file");
}

TEST_CASE("bad-archive: directories that lie") {
  const TestFile file;
  file.write_zip({{"x/a", "first"}, {"x/b", "second"}});
  const std::string good = file.bytes();
  const std::size_t first = good.find("PK\1\2");
  const std::size_t second = good.find("PK\1\2", first + 1);
  const std::size_t end = good.find("PK\5\6");
  REQUIRE(second != good.npos);
  struct Case {
    std::size_t at;
    uint64_t value;
    std::size_t size;
    const char* expected;
  };
  const Case cases[] = {
      {first + 42, 0xfffffff0, 4, "no local header at 0xfffffff0"},
      {first + 42, 1, 4, "no local header at 0x1"},
      {second + 42, 0, 4, "the local header at 0x0 names `x/a`"},
      {first + 20, 0x7fffffff, 4, "2147483647 bytes of data do not fit"},
      {first + 24, 6, 4, "stored in 5 bytes, 6 expected"},
      {first + 10, 14, 2, "compression method 14 is not read"},
      {first + 10, 8, 2, "the local header at 0x0 names"},
      {first + 8, 1, 2, "the entry is encrypted"},
      {first, 0, 4, "directory entry 0 of 2 is missing"},
      {first + 28, 0xffff, 2, "bytes, "},
      {end + 10, 1, 2, "bytes follow the 1 directory entries"},
      {end + 10, 3, 2, "does not fit"},
      {end + 12, 0xfffffff0, 4, "does not fit"},
      {end + 16, 0xfffffff0, 4, "does not fit"},
      {end + 4, 1, 2, "split over several files"},
      {end + 20, 1, 2, "no end record"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.expected);
    std::string bytes = good;
    patch(bytes, c.at, c.value, c.size);
    file.write(bytes);
    CHECK(has(open_error(file), c.expected));
  }

  // The first entry grows, in both records, over the second.
  std::string bytes = good;
  for (const std::size_t at : {first + 20, first + 24, std::size_t{18}, std::size_t{22}}) patch(bytes, at, 20, 4);
  file.write(bytes);
  CHECK(has(open_error(file), "its data reaches into the entry at"));
}

TEST_CASE("bad-archive: every single damaged byte of the headers is survived") {
  const TestFile file;
  file.write_zip({{"x/a", "first"}, {"x/b", "second"}});
  const std::string good = file.bytes();
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const char value : {'\0', '\x7f', '\xff'}) {
      std::string bytes = good;
      bytes[at] = value;
      file.write(bytes);
      try {
        const ZipArchive archive = ZipArchive::open(file.path());
        for (const std::string_view name : archive.names()) archive.read(name);
      } catch (const Error&) {
      }
    }
  }
}

}  // namespace
}  // namespace crossload
