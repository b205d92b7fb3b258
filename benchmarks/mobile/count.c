/* A QEMU TCG plugin: how often each instruction of the guest was executed.
   Argument out=<file>: one line per instruction, "symbol address count opcode" (opcode in hex, as in memory).
   Built with -DPLUGIN_API=<n>: the plugin API of the QEMU that loads it. The few declarations used are repeated
   here, so that no QEMU headers are needed. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t plugin_id;
struct block;
struct instruction;

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct block *));
void qemu_plugin_register_vcpu_insn_exec_cb(struct instruction *, void (*)(unsigned, void *), int, void *);
void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *);
size_t qemu_plugin_tb_n_insns(const struct block *);
struct instruction *qemu_plugin_tb_get_insn(const struct block *, size_t);
uint64_t qemu_plugin_insn_vaddr(const struct instruction *);
size_t qemu_plugin_insn_size(const struct instruction *);
const char *qemu_plugin_insn_symbol(const struct instruction *);
#if PLUGIN_API >= 3
size_t qemu_plugin_insn_data(const struct instruction *, void *, size_t);
#else
const void *qemu_plugin_insn_data(const struct instruction *);
#endif

int qemu_plugin_version = PLUGIN_API;

enum { NO_REGISTERS = 0, LONGEST = 16 };

struct counter {
    struct counter *next;
    uint64_t address, count;
    size_t size;
    unsigned char opcode[LONGEST];
    const char *symbol;
};

static struct counter *counters;
static const char *path;

static void executed(unsigned cpu, void *counter) {
    (void)cpu;
    ((struct counter *)counter)->count++;
}

/* An instruction translated twice gets two counters; who reads the file adds them up. */
static void translated(plugin_id id, struct block *block) {
    (void)id;
    size_t n = qemu_plugin_tb_n_insns(block);
    for (size_t i = 0; i < n; i++) {
        struct instruction *instruction = qemu_plugin_tb_get_insn(block, i);
        struct counter *c = calloc(1, sizeof *c);
        const char *symbol = qemu_plugin_insn_symbol(instruction);
        c->address = qemu_plugin_insn_vaddr(instruction);
        c->size = qemu_plugin_insn_size(instruction);
        c->symbol = symbol ? strdup(symbol) : "?";
#if PLUGIN_API >= 3
        qemu_plugin_insn_data(instruction, c->opcode, LONGEST);
#else
        memcpy(c->opcode, qemu_plugin_insn_data(instruction), c->size);
#endif
        c->next = counters;
        counters = c;
        qemu_plugin_register_vcpu_insn_exec_cb(instruction, executed, NO_REGISTERS, c);
    }
}

static void finish(plugin_id id, void *unused) {
    (void)id, (void)unused;
    FILE *file = fopen(path, "w");
    if (!file)
        return;
    for (struct counter *c = counters; c; c = c->next) {
        fprintf(file, "%s %" PRIx64 " %" PRIu64 " ", c->symbol, c->address, c->count);
        for (size_t i = 0; i < c->size; i++)
            fprintf(file, "%02x", c->opcode[i]);
        fputc('\n', file);
    }
    fclose(file);
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv) {
    (void)info;
    for (int i = 0; i < argc; i++)
        if (strncmp(argv[i], "out=", 4) == 0)
            path = strdup(argv[i] + 4);
    if (!path)
        return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, finish, 0);
    return 0;
}
