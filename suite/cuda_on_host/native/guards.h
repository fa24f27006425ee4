// While a kernel runs, what would kill the process ends the kernel instead: a bad address, or a loop without end.
#pragma once

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#include <cstdint>

namespace cuda_on_host {

enum class Interruption { address, instruction, division, time };

using Interrupted = void (*)(Interruption reason, const void *address);

namespace guards {

inline Interrupted interrupted = nullptr;
inline pthread_t kernel_thread;
alignas(16) inline char signal_stack[64 * 1024];

inline void handle(int number, siginfo_t *information, void *) {
    if (!pthread_equal(pthread_self(), kernel_thread)) {
        if (number == SIGVTALRM) {
            pthread_kill(kernel_thread, number);  // the timer is the process's, so any thread may get its signal
            return;
        }
        signal(number, SIG_DFL);  // another thread's fault is none of a kernel's
        return;
    }
    const Interruption reason = number == SIGVTALRM ? Interruption::time
                                : number == SIGILL || number == SIGTRAP ? Interruption::instruction
                                : number == SIGFPE  ? Interruption::division
                                                    : Interruption::address;
    interrupted(reason, information->si_addr);
}

}  // namespace guards

class Guards {
public:
    Guards(Interrupted interrupted, std::uint64_t time_limit_seconds) {
        guards::interrupted = interrupted;
        guards::kernel_thread = pthread_self();
        stack_t alternative{};
        alternative.ss_sp = guards::signal_stack;
        alternative.ss_size = sizeof guards::signal_stack;
        sigaltstack(&alternative, &old_stack_);
        struct sigaction action{};
        action.sa_sigaction = guards::handle;
        // The handler never returns: with SA_NODEFER no signal stays blocked after it.
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
        for (int i = 0; i < count; ++i) sigaction(signals[i], &action, &old_actions_[i]);
        set_timer(time_limit_seconds);
    }
    ~Guards() {
        set_timer(0);
        for (int i = 0; i < count; ++i) sigaction(signals[i], &old_actions_[i], nullptr);
        sigaltstack(&old_stack_, nullptr);
    }
    Guards(const Guards &) = delete;
    Guards &operator=(const Guards &) = delete;

private:
    static constexpr int count = 6;
    static constexpr int signals[count] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGVTALRM};

    static void set_timer(std::uint64_t seconds) {
        itimerval timer{};
        timer.it_value.tv_sec = static_cast<time_t>(seconds);
        setitimer(ITIMER_VIRTUAL, &timer, nullptr);
    }

    struct sigaction old_actions_[count];
    stack_t old_stack_;
};

}  // namespace cuda_on_host
