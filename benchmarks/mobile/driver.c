/* A Linux program without libc around one row kernel, for AArch64 and RISC-V.
   Standard input: int32 rows, int32 columns, rows * columns float32. Standard output: the kernel's result.
   Exit status: 0, the kernel's own status, or 100 (input), 101 (size), 102 (output).
   Built with -DKERNEL=<name> of: int KERNEL(float *x, float *y, int rows, int columns). */

#define CAPACITY (1 << 20)

#if defined(__aarch64__)
#define JUMP "b run"
#define NUMBER "x8"
#define FIRST "x0"
#define SECOND "x1"
#define THIRD "x2"
#define TRAP "svc #0"
#elif defined(__riscv)
#define JUMP "j run"
#define NUMBER "a7"
#define FIRST "a0"
#define SECOND "a1"
#define THIRD "a2"
#define TRAP "ecall"
#else
#error "no system calls for this instruction set"
#endif

/* The same numbers on both: Linux's generic table. */
enum { READ = 63, WRITE = 64, EXIT = 93 };

static float input[CAPACITY], output[CAPACITY];

extern int KERNEL(float *, float *, int, int);

static long call(long number, long first, void *second, long third) {
    register long n __asm__(NUMBER) = number;
    register long a __asm__(FIRST) = first;
    register void *b __asm__(SECOND) = second;
    register long c __asm__(THIRD) = third;
    __asm__ volatile(TRAP : "+r"(a) : "r"(n), "r"(b), "r"(c) : "memory");
    return a;
}

static void leave(int status) {
    call(EXIT, status, 0, 0);
    __builtin_unreachable();
}

static void transfer(long number, long file, void *data, long bytes, int status) {
    for (long done = 0; done < bytes;) {
        long moved = call(number, file, (char *)data + done, bytes - done);
        if (moved <= 0)
            leave(status);
        done += moved;
    }
}

void run(void) {
    int shape[2];
    transfer(READ, 0, shape, sizeof shape, 100);
    if (shape[0] < 1 || shape[1] < 1 || shape[1] > CAPACITY / shape[0])
        leave(101);
    long bytes = (long)shape[0] * shape[1] * (long)sizeof(float);
    transfer(READ, 0, input, bytes, 100);
    int status = KERNEL(input, output, shape[0], shape[1]);
    if (status)
        leave(status);
    transfer(WRITE, 1, output, bytes, 102);
    leave(0);
}

/* The stack is aligned at entry and nothing is returned to: a jump is enough. */
__attribute__((naked)) void _start(void) { __asm__ volatile(JUMP); }
