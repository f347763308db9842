// lessons.hpp — the places in the walkthrough that a failed check points to.
//
// Do: keep these the only spelling of an anchor, so that one change moves all checks along.
#pragma once

namespace lesson {
inline constexpr const char* first_server = "lessons.md#one-client-one-thread";
inline constexpr const char* one_at_a_time = "lessons.md#why-a-second-client-waits";
inline constexpr const char* threads = "lessons.md#a-thread-for-each";
inline constexpr const char* reading = "lessons.md#a-stream-has-no-messages";
inline constexpr const char* refusing = "lessons.md#what-it-refuses";
inline constexpr const char* writing = "lessons.md#the-kernel-takes-what-it-has-room-for";
inline constexpr const char* accepting = "lessons.md#accepting";
inline constexpr const char* attacks = "lessons.md#the-bad-clients";
inline constexpr const char* leaving = "lessons.md#clients-that-leave";
inline constexpr const char* asking = "lessons.md#asking-about-all";
inline constexpr const char* being_told = "lessons.md#being-told";
inline constexpr const char* awaiting = "lessons.md#what-co_await-does";
inline constexpr const char* frames = "lessons.md#what-a-frame-costs";
inline constexpr const char* c10k = "lessons.md#the-two-models-in-one-table";
inline constexpr const char* descriptors = "lessons.md#out-of-descriptors";
inline constexpr const char* time_limits = "lessons.md#time";
inline constexpr const char* stopping = "lessons.md#stopping";
inline constexpr const char* backend = "lessons.md#waiting-for-the-backend";
inline constexpr const char* errors = "lessons.md#errors-in-words";
inline constexpr const char* signals = "lessons.md#eintr";
}  // namespace lesson
