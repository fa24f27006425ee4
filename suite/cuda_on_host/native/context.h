// A stack that can be left and resumed: one pointer, whichever way this processor switches.
#pragma once

#include <cstddef>
#include <cstdint>

#if (defined(__x86_64__) || defined(__aarch64__)) && !defined(CUDA_ON_HOST_UCONTEXT)

extern "C" void cuda_on_host_switch(void **saved, void *resumed);

namespace cuda_on_host {

// Lays a frame on a fresh stack, such as the switch pops it, that returns into `entry`.
inline void *prepare_context(char *stack_top, void (*entry)()) {
    auto *frame = reinterpret_cast<std::uintptr_t *>(reinterpret_cast<std::uintptr_t>(stack_top) & ~std::uintptr_t(15));
#if defined(__x86_64__)
    *--frame = 0;  // keeps the stack as aligned at the entry as a call would leave it
    *--frame = reinterpret_cast<std::uintptr_t>(entry);
    for (int saved_register = 0; saved_register < 6; ++saved_register) *--frame = 0;
#else
    frame -= 20;
    for (int slot = 0; slot < 20; ++slot) frame[slot] = 0;
    frame[11] = reinterpret_cast<std::uintptr_t>(entry);  // the link register
#endif
    return frame;
}

inline void switch_context(void **saved, void *resumed) { cuda_on_host_switch(saved, resumed); }

}  // namespace cuda_on_host

#else  // the portable way, some thirty times slower

#include <ucontext.h>

namespace cuda_on_host {

// The context lies at the top of its own stack, so that one pointer names both.
inline void *prepare_context(char *stack_top, void (*entry)()) {
    const std::size_t room = (sizeof(ucontext_t) + 63) & ~std::size_t(63);
    auto *context = reinterpret_cast<ucontext_t *>(stack_top - room);
    getcontext(context);
    context->uc_stack.ss_size = 48 * 1024;
    context->uc_stack.ss_sp = reinterpret_cast<char *>(context) - context->uc_stack.ss_size;
    context->uc_link = nullptr;
    makecontext(context, entry, 0);
    return context;
}

inline void switch_context(void **saved, void *resumed) {
    ucontext_t here;  // on the stack that is left: it stays as long as the stack does
    *saved = &here;
    swapcontext(&here, static_cast<ucontext_t *>(resumed));
}

}  // namespace cuda_on_host

#endif
