/* tests/kernels/nets.h - the networks that the kernels' tests and benchmarks train. */
#ifndef HPO_TESTS_KERNELS_NETS_H
#define HPO_TESTS_KERNELS_NETS_H

#include <stdio.h>
#include <string.h>

#include "kernels/net.h"

/* Stages of twice [3x3 convolution, batch norm, ReLU], width doubling, 2x2 max pool between. */
static inline void net_convnet(struct kn_net *n, int size, int width, int stages, float dropout,
                               int classes)
{
    char name[KN_NAME];
    int t = 0;

    kn_net_init(n, 3, size, size, classes);
    for (int s = 0; s < stages; s++) {
        for (int k = 0; k < 2; k++) {
            snprintf(name, sizeof(name), "stage%d.conv%d", s, k);
            t = kn_conv2d(n, name, t, width << s, 3, 1, 1, false, KN_INIT_DEFAULT);
            snprintf(name, sizeof(name), "stage%d.bn%d", s, k);
            t = kn_batch_norm(n, name, t);
            snprintf(name, sizeof(name), "stage%d.relu%d", s, k);
            t = kn_relu(n, name, t);
        }
        snprintf(name, sizeof(name), "stage%d.pool", s);
        if (s + 1 < stages)
            t = kn_max_pool(n, name, t, 2, 2, 0);
    }
    t = kn_global_avg_pool(n, "avgpool", t);
    if (dropout > 0)
        t = kn_dropout(n, "dropout", t, dropout);
    kn_linear(n, "fc", t, classes, true);
}

/* A basic block of the CIFAR ResNet (He et al. 2015), with a 1x1 projection where shapes change. */
static inline int net_block(struct kn_net *n, const char *prefix, int in, int width, int stride)
{
    char name[KN_NAME];
    int t, shortcut = in;
#define NAME(s) (snprintf(name, sizeof(name), "%.40s.%s", prefix, s), name)

    t = kn_conv2d(n, NAME("conv1"), in, width, 3, stride, 1, false, KN_INIT_KAIMING_FAN_OUT);
    t = kn_batch_norm(n, NAME("bn1"), t);
    t = kn_relu(n, NAME("relu1"), t);
    t = kn_conv2d(n, NAME("conv2"), t, width, 3, 1, 1, false, KN_INIT_KAIMING_FAN_OUT);
    t = kn_batch_norm(n, NAME("bn2"), t);
    if (stride != 1 || (n->tensor && n->tensor[in].c != width)) {
        shortcut = kn_conv2d(n, NAME("downsample.0"), in, width, 1, stride, 0, false,
                             KN_INIT_KAIMING_FAN_OUT);
        shortcut = kn_batch_norm(n, NAME("downsample.1"), shortcut);
    }
    t = kn_add(n, NAME("add"), t, shortcut);
    return kn_relu(n, NAME("relu2"), t);
#undef NAME
}

/* The picture halves and the width doubles from stage to stage: three stages are the CIFAR form
 * (depth 6 * blocks + 2), four of two blocks and width 64 ResNet-18 for small pictures. */
static inline void net_resnet_stages(struct kn_net *n, int size, int width, int stages, int blocks,
                                     int classes)
{
    char name[KN_NAME];
    int t;

    kn_net_init(n, 3, size, size, classes);
    t = kn_conv2d(n, "conv1", 0, width, 3, 1, 1, false, KN_INIT_KAIMING_FAN_OUT);
    t = kn_batch_norm(n, "bn1", t);
    t = kn_relu(n, "relu", t);
    for (int s = 0; s < stages; s++)
        for (int b = 0; b < blocks; b++) {
            snprintf(name, sizeof(name), "layer%d.%d", s + 1, b);
            t = net_block(n, name, t, width << s, s && !b ? 2 : 1);
        }
    t = kn_global_avg_pool(n, "avgpool", t);
    kn_linear(n, "fc", t, classes, true);
}

static inline void net_resnet(struct kn_net *n, int size, int width, int blocks, int classes)
{
    net_resnet_stages(n, size, width, 3, blocks, classes);
}

static inline void net_mlp(struct kn_net *n, int size, int hidden, int classes)
{
    int t;

    kn_net_init(n, 3, size, size, classes);
    t = kn_flatten(n, "flatten", 0);
    t = kn_linear(n, "fc0", t, hidden, true);
    t = kn_relu(n, "relu0", t);
    t = kn_linear(n, "fc1", t, hidden, true);
    t = kn_relu(n, "relu1", t);
    kn_linear(n, "fc2", t, classes, true);
}

/* Every operation in an unusual place: biases, odd sizes, overlapping and 3 x 3 pools, operations
 * that nothing fuses with, batch norm on rows, a sum of one tensor with itself. */
static inline void net_zoo(struct kn_net *n, int size, int width, int classes)
{
    int t, u;

    kn_net_init(n, 3, size, size, classes);
    t = kn_conv2d(n, "a", 0, width, 5, 2, 2, true, KN_INIT_DEFAULT);
    t = kn_relu(n, "a.relu", t);
    u = kn_conv2d(n, "b", t, width, 3, 1, 1, true, KN_INIT_DEFAULT);
    u = kn_batch_norm(n, "b.bn", u);
    t = kn_add(n, "add1", u, t);
    t = kn_max_pool(n, "pool1", t, 3, 2, 0);
    u = kn_add(n, "add2", t, t);
    u = kn_relu(n, "add2.relu", u);
    u = kn_batch_norm(n, "c.bn", u);
    u = kn_max_pool(n, "pool2", u, 2, 2, 0);
    t = kn_conv2d(n, "d", t, width + 3, 2, 2, 0, false, KN_INIT_DEFAULT);
    u = kn_conv2d(n, "e", u, width + 3, 1, 1, 0, true, KN_INIT_DEFAULT);
    t = kn_add(n, "add3", t, u);
    t = kn_flatten(n, "flatten", t);
    t = kn_linear(n, "f", t, 7, false);
    t = kn_batch_norm(n, "f.bn", t);
    t = kn_relu(n, "f.relu", t);
    kn_linear(n, "g", t, classes, true);
}

/* By name, for programs with arguments; false: no such network. */
static inline bool net_by_name(struct kn_net *n, const char *name, int size, int width, int classes)
{
    if (!strcmp(name, "convnet"))
        net_convnet(n, size, width, 3, 0, classes);
    else if (!strcmp(name, "resnet"))
        net_resnet(n, size, width, 1, classes);
    else if (!strcmp(name, "resnet20"))
        net_resnet(n, size, width, 3, classes);
    else if (!strcmp(name, "resnet18"))
        net_resnet_stages(n, size, width, 4, 2, classes);
    else if (!strcmp(name, "mlp"))
        net_mlp(n, size, width, classes);
    else if (!strcmp(name, "zoo"))
        net_zoo(n, size, width, classes);
    else
        return false;
    return true;
}

#endif
