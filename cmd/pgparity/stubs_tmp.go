package main

import "github.com/spf13/cobra"

func (a *app) planCommand() *cobra.Command    { return &cobra.Command{Use: "plan"} }
func (a *app) grantsCommand() *cobra.Command  { return &cobra.Command{Use: "grants"} }
func (a *app) showCommand() *cobra.Command    { return &cobra.Command{Use: "show"} }
func (a *app) reportCommand() *cobra.Command  { return &cobra.Command{Use: "report"} }
func (a *app) versionCommand() *cobra.Command { return &cobra.Command{Use: "version"} }
