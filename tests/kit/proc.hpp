// proc.hpp — the files of /proc, where there is one (Linux); elsewhere all is empty. See proc(5).
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The whole of a small file. A vanished entry (ENOENT, or ESRCH on read) is an empty text: the
// thread or process has ended.
std::string text_of(const std::string& path);

// "/proc/PROCESS/ENTRY"
std::string proc(pid_t process, const std::string& entry);

// The names in a directory, but those that begin with a dot.
std::vector<std::string> entries_of(const std::string& directory);

// The number after "Name:" in a file of such lines.
std::optional<std::size_t> number_after(std::string_view text, std::string_view name);
