#include "tests/kit/proc.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <system_error>

#include "common/socket.hpp"

using namespace two_ways;

std::string text_of(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  std::array<char, 4096> room;
  for (ssize_t count; file && (count = read(file.fd(), room.data(), room.size())) > 0;)
    text.append(room.data(), static_cast<std::size_t>(count));
  return text;
}

std::string proc(pid_t process, const std::string& entry) {
  return "/proc/" + std::to_string(process) + "/" + entry;
}

std::vector<std::string> entries_of(const std::string& directory) {
  std::vector<std::string> names;
  DIR* const stream = opendir(directory.c_str());
  if (stream == nullptr) return names;
  while (const dirent* entry = readdir(stream))
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  closedir(stream);
  return names;
}

std::optional<std::size_t> number_after(std::string_view text, std::string_view name) {
  const std::size_t place = text.find(name);
  if (place == std::string_view::npos) return std::nullopt;
  std::size_t from = place + name.size();
  while (from < text.size() && (text[from] == ' ' || text[from] == '\t')) ++from;
  std::size_t number = 0;
  const auto result = std::from_chars(text.data() + from, text.data() + text.size(), number);
  if (result.ec != std::errc()) return std::nullopt;
  return number;
}
